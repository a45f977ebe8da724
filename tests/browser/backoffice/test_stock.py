"""A day at the stock, in a browser: a delivery is received by scanner, and what is short is seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from inventory.models import Inventory, StockDocument
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.catalog.factories import CategoryFactory, ProductFactory
from tests.support.staff import staff

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
WRITE = "/admin/inventory/stockdocument/write/{}/"
SKUS = 30


def scan(window: Window, sku: str) -> None:
    """What a scanner does: it types the SKU and presses Enter. It clicks nothing."""
    window.page.keyboard.type(sku)
    window.page.keyboard.press("Enter")


def test_thirty_skus_are_received_by_scan_with_one_click(scene: Scene, open_window: Opener) -> None:
    category = CategoryFactory.create(name="Scanned")
    products = [
        ProductFactory.create(sku=f"SCAN-{number:03}", category=category, in_stock=number)
        for number in range(SKUS)
    ]
    window = open_window(staff("warehouse"))
    page = window.go(WRITE.format("receive"))
    expect(page.get_by_label("SKU")).to_be_focused()
    loaded = len([each for each in window.loaded if each.request.is_navigation_request()])

    for product in products:  # faster than the server answers: no scan is lost
        scan(window, product.sku)
    scan(window, "R-7KQ4M-2XDTP")  # an order's barcode
    expect(page.get_by_role("status")).to_contain_text("No product has this SKU")
    scan(window, products[0].sku)
    expect(page.get_by_role("status")).to_contain_text(f"{products[0].sku} × 2")
    expect(page.get_by_label("SKU")).to_be_focused()
    expect(page.get_by_role("heading", name="The list")).to_contain_text("30 lines, 31 pieces")
    reloads = len([each for each in window.loaded if each.request.is_navigation_request()])
    assert reloads == loaded

    page.get_by_role("button", name="Book the receipt").click()  # the only click
    expect(page.get_by_role("heading", name="Lines")).to_be_visible()
    document = StockDocument.objects.latest("created_at")
    assert document.movements.count() == SKUS
    now = {
        row.product.sku: row.on_shelf
        for row in Inventory.objects.filter(product__category=category).select_related("product")
    }
    assert now == {each.sku: number + 1 + (number == 0) for number, each in enumerate(products)}

    window.go(WRITE.format("receive"))
    page.context.clear_cookies()
    scan(window, products[0].sku)
    expect(page.get_by_role("status")).to_contain_text("You are signed out, so nothing was added")
    expect(page.get_by_label("SKU")).to_have_value(products[0].sku)


def test_pages_of_the_stock_and_the_first_page_are_for_everybody(
    scene: Scene, open_window: Opener
) -> None:
    window = open_window(staff("warehouse", "auditor", "catalogue", "finance"))
    stock = Inventory.objects.get(product=scene.book)
    paths = (
        "/admin/",
        WRITE.format("receive"),
        "/admin/inventory/stockdocument/",
        "/admin/inventory/stockmovement/?sku=nothing",
        "/admin/inventory/stockmovement/",
        f"/admin/inventory/inventory/{stock.pk}/change/",
        "/admin/inventory/lowstockrule/",
    )
    assert window.finds_for_everybody(paths) == []
