"""The admin's pages of catalogue, stock and companies are accessible."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import Invitation
from catalog.models import Product, Synonym
from inventory.models import Inventory
from redemption.models import RedemptionOrder, WebhookEndpoint
from tests.accounts.access.making import new_key
from tests.accounts.factories import UserFactory
from tests.browser.scene import Scene
from tests.browser.window import NARROW, WIDE, Look, Window

pytestmark = pytest.mark.browser

LISTS = (
    "/admin/catalog/product/",
    "/admin/catalog/product/add/",
    "/admin/catalog/family/",
    "/admin/inventory/inventory/",
    "/admin/accounts/company/",
    "/admin/accounts/accountmanager/",
    "/admin/accounts/user/add/",
    "/admin/inventory/stockmovement/",
    "/admin/redemption/letter/",
)


@pytest.mark.parametrize("look", [WIDE, pytest.param(NARROW, marks=pytest.mark.long)])
def test_pages_of_the_back_office_are_for_everybody(
    scene: Scene, open_window: Callable[..., Window], look: Look
) -> None:
    book = Product.objects.get(name="The Lighthouse Ledger")
    pages = (
        reverse("admin:catalog_product_change", args=[book.pk]),
        reverse("admin:inventory_inventory_change", args=[Inventory.objects.get(product=book).pk]),
        reverse("admin:accounts_company_change", args=[scene.company.pk]),
        reverse("admin:accounts_user_change", args=[scene.clerk.pk]),
        reverse("admin:auth_group_change", args=[scene.clerk.groups.get().pk]),
    )
    window = open_window(UserFactory.create(superuser=True))
    assert window.finds_for_everybody((*LISTS, *pages), looks=[look]) == []


@pytest.mark.parametrize("look", [WIDE, pytest.param(NARROW, marks=pytest.mark.long)])
def test_the_back_offices_own_pages_are_for_everybody(
    scene: Scene, open_window: Callable[..., Window], look: Look
) -> None:
    seat, row = scene.buyer, scene.order["delivered"]
    order = RedemptionOrder.objects.get(order_number=row)
    invitation = Invitation.objects.create(
        company=scene.company, email="kim@n.example", role=seat.role, by=seat.user, token_hash="0"
    )
    endpoint = WebhookEndpoint.objects.create(
        company=scene.company, url="https://n.example/", events=["order.placed"], secret="-",
        created_by=seat.user,
    )  # fmt: skip
    key = new_key(scene.company, by=scene.new_seat("owner")).key
    synonym = Synonym.objects.create(names="mug, cup")
    named = {
        "redemption_order_for_seat": seat.pk,
        "redemption_lineunits_change": order.items.get().pk,
        "redemption_orderitem_change": order.items.get().pk,
        "redemption_loyaltytransaction_change": scene.debit(order).pk,
        "accounts_see_as": seat.pk,
        "accounts_see_as_choose": scene.company.pk,
        "accounts_company_invite": scene.company.pk,
        "accounts_invitation_change": invitation.pk,
        "accounts_apikey_change": key.pk,
        "redemption_webhookendpoint_change": endpoint.pk,
        "catalog_synonym_change": synonym.pk,
    }
    pages = [
        *("/admin/search/", reverse("admin:redemption_order_for_company")),
        *(reverse("admin:accounts_company_add"), reverse("admin:catalog_synonym_add")),
        *(reverse(f"admin:{name}", args=[pk]) for name, pk in named.items()),
    ]
    window = open_window(UserFactory.create(superuser=True))
    assert window.finds_for_everybody(pages, looks=[look]) == []


def test_an_opened_chooser_says_what_is_searched_for(
    scene: Scene, open_window: Callable[..., Window]
) -> None:
    address = reverse("admin:catalog_product_change", args=[scene.book.pk])
    window = open_window(UserFactory.create(superuser=True))
    page = window.go(address)
    page.get_by_role("combobox", name="Family").click()
    expect(page.get_by_role("searchbox", name="Family")).to_be_focused()
    assert window.axe_finds({"type": "rule", "values": ["label"]}) == []


def test_lists_and_forms_are_read_and_sent_without_javascript(
    scene: Scene, open_window: Callable[..., Window]
) -> None:
    everybody = UserFactory.create(superuser=True)
    name = scene.book.name
    for width in (1280, 390):
        window = open_window(everybody, javascript=False, width=width)
        page = window.go("/admin/catalog/product/")
        page.get_by_role("link", name=name).first.click()
        expect(page.locator("input[name=name]")).to_have_value(name)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.get_by_text("was changed successfully")).to_be_visible()
        page.get_by_role("link", name="Pack and ship").first.click()
        expect(page.get_by_label("Scan")).to_be_visible()
        window.go("/admin/")
        expect(page.get_by_role("heading", name="What waits").first).to_be_visible()
