"""A day of the person who keeps the catalogue, with the clicks counted (docs/staff/backoffice.md)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from catalog.models import Family, Product
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.catalog.pictures.making import picture
from tests.support.staff import staff

pytestmark = pytest.mark.browser
COUNT = "() => { window.clicks = 0; addEventListener('click', (e) => { if (e.isTrusted) window.clicks += 1 }, true) }"


def counted(page: Page, most: int) -> None:
    """The clicks since the page was opened, of which there are at most so many."""
    assert page.evaluate("window.clicks") <= most


def test_a_product_with_two_pictures_and_a_family_of_six(
    scene: Scene, open_window: Callable[..., Window], tmp_path: Path
) -> None:
    files = [tmp_path / "front.jpg", tmp_path / "back.png"]
    files[0].write_bytes(picture(1600, 1200))
    files[1].write_bytes(picture(900, 900, kind="PNG", colour="navy"))
    window = open_window(staff("catalogue"))
    page = window.go("/admin/catalog/product/add/")
    page.evaluate(COUNT)
    page.locator("#id_name").fill("Enamel kettle")
    page.locator("#id_sku").fill("KETTLE-1")
    page.locator("#id_points_cost").fill("4200")
    page.locator("#id_category").select_option(index=1)
    page.locator("#id_product_type").select_option("PHYSICAL")
    page.locator("#id_description").fill("Whistles.")
    page.locator("#id_new_pictures").set_input_files(files)
    counted(page, 0)  # one more saves it
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/catalog/product/")
    kettle = Product.objects.get(sku="KETTLE-1")
    assert kettle.pictures.count() == 2
    assert kettle.inventory.quantity_available == 0

    page = window.go("/admin/catalog/family/add/")
    page.evaluate(COUNT)
    page.locator("#id_name").fill("Scarf")
    page.locator("#id_options").fill("Size / Colour")
    page.locator("#id_category").select_option(index=1)
    sizes = [(size, colour) for size in ("S", "M", "L") for colour in ("Red", "Blue")]
    for place, (size, colour) in enumerate(sizes):
        row = f"#id_products-{place}"
        page.locator(f"{row}-sku").fill(f"SCARF-{size}-{colour}")
        page.locator(f"{row}-variant_0").fill(size)
        page.locator(f"{row}-variant_1").fill(colour)
        page.locator(f"{row}-points_cost").fill("1500")
    counted(page, 0)
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/catalog/family/")
    family = Family.objects.get(name="Scarf")
    assert family.products.count() == 6

    shelf = open_window(scene.buyer)
    shelf.go(kettle.get_absolute_url())
    first = shelf.page.locator(".gallery img").first
    expect(first).to_be_visible()
    assert first.evaluate("image => image.decode().then(() => image.naturalWidth > 0)")
    assert shelf.axe_finds() == []

    link = shelf.page.get_by_role("link", name="Enamel kettle, picture 1")
    link.focus()
    shelf.page.keyboard.press("Enter")
    close_look = shelf.page.get_by_role("dialog", name="Picture")
    large = close_look.get_by_role("img")
    expect(large).to_be_visible()
    assert large.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1280
    assert shelf.axe_finds() == []
    shelf.page.keyboard.press("Escape")
    expect(close_look).to_be_hidden()
    expect(link).to_be_focused()
    plain = open_window(scene.buyer, javascript=False)
    plain.go(kettle.get_absolute_url())
    plain.page.get_by_role("link", name="Enamel kettle, picture 1").click()
    plain.page.wait_for_url("**-1280.webp")
    plain.complaints.clear()  # about the style that the browser gives a picture that is a page
    pages = (
        "/admin/catalog/product/add/",
        reverse("admin:catalog_product_change", args=[kettle.pk]),
        "/admin/catalog/family/add/",
        reverse("admin:catalog_family_change", args=[family.pk]),
        reverse("admin:catalog_product_as_company"),
        reverse("admin:catalog_product_seen_by", args=[scene.company.pk]),
    )
    assert window.finds_for_everybody(pages) == []
