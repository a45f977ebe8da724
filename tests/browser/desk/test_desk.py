"""The fulfillment desk in the admin, in a browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from fulfillment.models import Fulfillment
from tests.browser.scene import Scene
from tests.browser.window import Window

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
QUEUE = "/admin/fulfillment/fulfillment/"


def test_desk_is_for_everybody(scene: Scene, open_window: Opener) -> None:
    parcel = Fulfillment.objects.get(label=scene.order["shipped"])
    window = open_window(scene.clerk)
    paths = ("/admin/", QUEUE, f"{QUEUE}{parcel.pk}/change/", "/admin/fulfillment/shipment/")
    assert window.finds_for_everybody(paths) == []


def test_wrong_parcel_is_refused_and_what_was_typed_kept(scene: Scene, open_window: Opener) -> None:
    row = Fulfillment.objects.get(label=scene.order["shipped"])
    page = open_window(scene.clerk).go(f"{QUEUE}{row.pk}/change/")
    page.get_by_role("button", name="Packed").click()
    page.get_by_label("Pieces in this parcel").fill("5")
    page.get_by_label("Carrier").fill("Parcelly")
    page.get_by_role("button", name="Ship", exact=True).click()

    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.get_by_label("Carrier")).to_have_value("Parcelly")
    row.refresh_from_db()
    assert row.quantity_shipped == 1
