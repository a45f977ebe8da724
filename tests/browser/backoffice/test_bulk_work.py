"""The catalogue's long work in a browser: 40 prices, an import with wrong rows, and undo.

The clicks are counted here, as docs/staff/backoffice.md tells them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import FilePayload, Locator, Page, expect

from catalog.models import Product
from tests.browser.scene import Scene
from tests.browser.window import STRICT, Window
from tests.catalog.factories import CategoryFactory, ProductFactory
from tests.support.staff import staff

pytestmark = pytest.mark.browser

LIST = reverse("admin:catalog_product_changelist")
ROWS = """sku,name,product_type,points_cost,category
BW-N1,New one,VIRTUAL,10,Prices
BW-N2,New two,VIRTUAL,0,Prices
BW-N3,New three,VIRTUAL,dear,Prices
BW-00,Renamed,VIRTUAL,7,Prices
"""


class Clicks:
    """Counts what a person clicks; typing and choosing in a field are not counted."""

    def __init__(self) -> None:
        self.number = 0

    def on(self, what: Locator) -> None:
        what.click()
        self.number += 1


def done(page: Page) -> None:
    """Wait until the job's page, which asks by itself, says that it is done."""
    expect(page.get_by_role("status").filter(has_text="Done")).to_be_visible()


def points() -> set[int]:
    found = Product.objects.filter(sku__startswith="BW-", sku__regex=r"-\d\d$")
    return set(found.values_list("points_cost", flat=True))


def test_forty_prices_and_an_import_are_changed_and_undone(
    scene: Scene, open_window: Callable[..., Window]
) -> None:
    shelf = CategoryFactory.create(name="Prices", slug="prices")
    for n in range(40):
        ProductFactory.create(
            virtual=True, sku=f"BW-{n:02}", slug=f"bw-{n}", category=shelf, points_cost=1000
        )
    window = open_window(staff("catalogue"))
    page, prices = window.go(f"{LIST}?category__id__exact={shelf.pk}"), Clicks()
    prices.on(page.locator("#action-toggle"))
    page.locator("select[name=action]").select_option("bulk_edit")
    prices.on(page.get_by_role("button", name="Run"))
    page.get_by_label("Points, by percent").fill("10")
    prices.on(page.get_by_role("button", name="Preview"))
    expect(page.get_by_role("status").filter(has_text="Nothing is written yet")).to_be_visible()
    assert points() == {1000}
    assert window.axe_finds(STRICT) == []
    prices.on(page.get_by_role("button", name="Change them"))
    done(page)
    assert points() == {1100}
    assert prices.number == 4
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name="Undoing it").click()
    done(page)
    assert points() == {1000}

    page, imports = window.go(LIST), Clicks()
    imports.on(page.get_by_role("link", name="Import …"))
    file: FilePayload = {"name": "new.csv", "mimeType": "text/csv", "buffer": ROWS.encode()}
    page.locator("input[type=file]").set_input_files([file])
    imports.on(page.get_by_role("button", name="Read and preview"))
    done(page)
    expect(page.get_by_text("must be between 1 and")).to_be_visible()
    expect(page.get_by_text("points_cost 1000 → 7")).to_be_visible()
    assert window.finds_for_everybody([page.url.removeprefix(window.url)], STRICT) == []
    imports.on(page.get_by_role("button", name="Leave wrong rows out and import 2"))
    done(page)
    assert Product.objects.get(sku="BW-00").name == "Renamed"
    assert imports.number == 3
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("link", name="Undoing it").click()
    done(page)
    assert Product.objects.get(sku="BW-00").points_cost == 1000
    assert not Product.objects.get(sku="BW-N1").is_active


def test_its_pages_are_for_everybody(scene: Scene, open_window: Callable[..., Window]) -> None:
    window = open_window(staff("catalogue"))
    names = ("catalog_product_bulk", "catalog_product_import", "catalog_product_export")
    pages = [reverse(f"admin:{name}") for name in names]
    assert window.finds_for_everybody([*pages, reverse("admin:jobs_job_changelist")]) == []
