"""The page of the parts in a browser: in both schemes, at both widths, and in German."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.accounts.factories import UserFactory
from tests.browser.scene import Scene
from tests.browser.window import STRICT, WCAG, Window

pytestmark = pytest.mark.browser


def test_the_parts_are_for_everybody(scene: Scene, open_window: Callable[..., Window]) -> None:
    window = open_window()
    pages = ("/ui/", "/ui/?balance=no-answer")
    assert window.finds_for_everybody(pages, STRICT) == []
    expect(window.page.get_by_role("heading", level=1)).to_have_count(1)

    window = open_window(UserFactory.create(superuser=True))
    assert window.finds_for_everybody(["/ui/back-office/"], WCAG) == []
