"""Suggestions under the search field: by keyboard, by mouse, for assistive technology, and without."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.scene import Scene
from tests.browser.window import STRICT, Window
from tests.support.stack import Stack
from tests.support.visitor import Visitor
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser
Opener = Callable[..., Window]


@pytest.fixture(autouse=True)
def _indexed(stack: Stack, scene: Scene) -> Iterator[None]:
    """The stack with its indexer, which has built the index."""
    stack.indexer.start()
    probe = stack.visitor()

    def is_ready() -> bool:
        return "search index" in _parts(probe) and _parts(probe)["search index"] == "ok"

    eventually(is_ready, "the index is used", within=120)
    yield
    stack.indexer.stop()


def _parts(probe: Visitor) -> dict[str, str]:
    told: dict[str, dict[str, str]] = probe.get("/readyz").json()
    return told["parts"]


def typed(page: Page, text: str) -> None:
    page.get_by_role("combobox", name="Search the catalogue").press_sequentially(text)


def test_suggestions_by_keyboard(scene: Scene, open_window: Opener) -> None:
    window = open_window(scene.buyer)
    page = window.go("/")
    field = page.get_by_role("combobox", name="Search the catalogue")
    typed(page, "lightho")
    listed = page.get_by_role("listbox", name="Suggestions")
    expect(listed.get_by_role("option").first).to_be_visible()
    expect(field).to_have_attribute("aria-expanded", "true")
    assert window.axe_finds(STRICT) == []
    field.press("ArrowDown")
    first = listed.get_by_role("option").first
    expect(first).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", "suggestion-1")
    field.press("Escape")
    expect(listed).to_be_hidden()
    expect(field).to_have_value("lightho")
    typed(page, "u")
    expect(listed).to_be_visible()
    field.press("ArrowUp")
    field.press("Enter")
    expect(page).to_have_url(re.compile(r"/catalog/[\w-]+/$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lighthouse")


def test_suggestions_by_mouse_lead_to_a_category(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/catalog/")
    typed(page, "citi")
    page.get_by_role("option", name="Cities").click()
    expect(page).to_have_url(re.compile(r"\?category=cities$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Cities")


def test_several_choices_and_a_near_spelling(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/catalog/")
    page.get_by_label("Cities").check()
    expect(page).to_have_url(re.compile("category=cities"))
    page.get_by_label("Gift cards").check()
    expect(page).to_have_url(re.compile("category=.*category="))
    expect(
        page.get_by_role("list", name="Filters that are on").get_by_role("listitem")
    ).to_have_count(2)
    page.goto(f"{page.url.partition('?')[0]}?q=lighthuose")
    expect(page.get_by_text("Nothing has these words.")).to_be_visible()
    expect(page.get_by_role("link", name="The Lighthouse Ledger")).to_be_visible()


def test_without_javascript_it_is_a_search_field(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer, javascript=False).go("/catalog/")
    field = page.get_by_role("searchbox", name="Search the catalogue")
    field.fill("lighthouse")
    field.press("Enter")
    expect(page.get_by_role("link", name="The Lighthouse Ledger")).to_be_visible()
    expect(page.get_by_role("listbox")).to_have_count(0)
