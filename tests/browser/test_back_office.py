"""The pages of the catalogue, the stock and the companies in the admin, for everybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse

from catalog.models import Product
from inventory.models import Inventory
from tests.accounts.factories import UserFactory
from tests.browser.scene import Scene
from tests.browser.window import WCAG, Window

pytestmark = pytest.mark.browser

LISTS = (
    "/admin/catalog/product/",
    "/admin/catalog/product/add/",
    "/admin/catalog/family/",
    "/admin/inventory/inventory/",
    "/admin/accounts/company/",
    "/admin/accounts/accountmanager/",
)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_of_the_back_office_are_for_everybody(
    scene: Scene, open_window: Callable[..., Window], width: int, scheme: str
) -> None:
    book = Product.objects.get(name="The Lighthouse Ledger")
    pages = (
        reverse("admin:catalog_product_change", args=[book.pk]),
        reverse("admin:inventory_inventory_change", args=[Inventory.objects.get(product=book).pk]),
        reverse("admin:accounts_company_change", args=[scene.company.pk]),
    )
    window = open_window(UserFactory(superuser=True), width=width, scheme=scheme)
    findings: list[str] = []
    for path in (*LISTS, *pages):
        page = window.go(path)
        page.wait_for_load_state("networkidle")
        assert window.sideways() <= 0, f"{path} can be scrolled sideways at {width}"
        findings += [f"{path} {width} {scheme}: {finding}" for finding in window.axe_finds(WCAG)]
    assert not findings, "\n".join(findings)
