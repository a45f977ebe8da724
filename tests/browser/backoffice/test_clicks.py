"""Tasks of support, administrators, finance and the desk, with their clicks and page loads.

docs/staff/backoffice.md has the numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from accounts.models import Invitation
from fulfillment.models import Fulfillment, Shipment
from fulfillment.states import TO_SEND
from redemption.analytics.services import rebuild_figures
from redemption.models import Reconciliation, RedemptionOrder
from tests.browser.backoffice.test_support import Counted
from tests.browser.desk.test_desk_day import orders
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.redemption.world import RECIPIENT
from tests.support.staff import staff

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
NUMBERS = ("1Z4444440344444448", "1Z8888880388888882")  # of no other test: they share the desk


def address_of(name: str, row: object) -> str:
    return reverse(f"admin:{name}_change", args=[row])


def test_support_orders_for_a_company_that_asked_by_phone(
    scene: Scene, open_window: Opener
) -> None:
    clerk, seat = staff("support"), scene.new_seat("buyer")
    window = open_window(clerk)
    page = window.go("/admin/")
    counted = Counted(window)
    counted.click(page.get_by_role("link", name="Order for a company"))
    page.get_by_label("Company", exact=True).fill(seat.company.name)
    page.keyboard.press("Enter")
    counted.click(page.locator(f"a[href*='{seat.pk}']"))
    page.get_by_label("Who asked for it, and when?").fill("Ms Hopper by phone, 14:10")
    page.locator("#id-0-sku").fill(scene.book.sku)
    page.locator("#id-0-quantity").fill("2")
    for column, text in RECIPIENT.items():
        page.locator(f"#id-all-{column}").fill(text)
    counted.click(page.get_by_role("button", name="Check and preview"))
    expect(page.locator("#preview")).to_contain_text("Left after it")
    assert not RedemptionOrder.objects.filter(placed_by=clerk).exists()
    counted.click(page.get_by_role("button", name="Place the order"))
    expect(page.get_by_role("main")).to_contain_text("who is told by e-mail")
    order = RedemptionOrder.objects.get(placed_by=clerk)
    assert (order.account_manager, order.items.get().quantity) == (seat, 2)
    assert (counted.clicks, counted.loads) == (4, 5)


def test_support_sees_the_portal_as_a_seat_and_ends_it(scene: Scene, open_window: Opener) -> None:
    seat = scene.new_seat("buyer")
    window = open_window(staff("support"))
    page = window.go(address_of("accounts_accountmanager", seat.pk))
    counted = Counted(window)
    counted.click(page.get_by_role("link", name="See the portal as this seat"))
    page.get_by_label("Why?").fill("Does not find the cart.")
    counted.click(page.get_by_role("button", name="Begin"))
    expect(page.locator(".seen-as")).to_contain_text(f"You see the portal as {seat.user}")
    counted.click(page.get_by_role("button", name="End it now"))
    expect(page.get_by_role("main")).to_contain_text("as somebody else any more")
    expect(page.locator(".seen-as")).to_have_count(0)
    assert (counted.clicks, counted.loads) == (3, 3)


def test_an_administrator_invites_somebody_and_switches_a_seat_off_and_on(
    scene: Scene, open_window: Opener
) -> None:
    seat = scene.new_seat("viewer")
    window = open_window(staff("administrator"))
    page = window.go(address_of("accounts_company", seat.company_id))
    counted = Counted(window)
    counted.click(page.get_by_role("link", name="Invite somebody"))
    page.get_by_label("E-mail").fill("newcomer@northwind.example")
    counted.click(page.get_by_role("button", name=re.compile("Invite|Send")))
    expect(page.get_by_role("main")).to_contain_text("newcomer@northwind.example")
    assert Invitation.objects.filter(email="newcomer@northwind.example").exists()
    assert (counted.clicks, counted.loads) == (2, 2)

    page = window.go(address_of("accounts_accountmanager", seat.pk))
    expect(page.get_by_role("heading", name="Points by month")).to_be_visible()
    counted = Counted(window)
    page.locator("#off-reason").fill("They left.")
    counted.click(page.get_by_role("button", name="Switch off"))
    expect(page.get_by_role("main")).to_contain_text("The seat is switched off.")
    page.locator("#on-reason").fill("They came back.")
    counted.click(page.get_by_role("button", name="Switch on"))
    expect(page.get_by_role("main")).to_contain_text("The seat is switched on.")
    assert (counted.clicks, counted.loads) == (2, 2)


def test_finance_compares_with_the_partner_and_reads_and_exports_a_report(
    scene: Scene, open_window: Opener
) -> None:
    rebuild_figures()  # the sweeper counts once a minute
    window = open_window(staff("finance"))
    page = window.go("/admin/redemption/reconciliation/")
    counted = Counted(window)
    counted.click(page.get_by_role("link", name="Compare now"))
    form = page.locator("form[action$='compare/statement/']")
    counted.click(form.locator(".select2-selection"))
    page.locator(".select2-search__field").fill(scene.poor.company.name)
    counted.click(page.get_by_role("option", name=scene.poor.company.name))
    counted.click(form.get_by_role("button", name="Compare now"))
    expect(page).to_have_url(re.compile(r"/reconciliation/[0-9a-f-]{36}/change/$"))
    assert Reconciliation.objects.filter(company=scene.poor.company).exists()
    assert (counted.clicks, counted.loads) == (4, 2)

    page = window.go("/admin/reports/")
    counted = Counted(window)
    counted.click(page.get_by_role("link", name="Stock turns"))
    expect(page.get_by_role("main")).to_contain_text("compared with")
    expect(page.get_by_role("main")).to_contain_text("before:")
    with page.expect_download():
        counted.click(page.get_by_role("button", name="as CSV").first)
    assert counted.clicks == 2


def test_two_parcels_are_shipped_together_each_with_the_number_that_was_scanned(
    scene: Scene, open_window: Opener
) -> None:
    Fulfillment.objects.filter(status__in=TO_SEND).update(hold_reason="Not today")
    ours = {order.order_number for order in orders(2)}
    window = open_window(staff("fulfillment"))
    page = window.go("/admin/desk/")
    page.get_by_label("Carrier for all chosen parcels").fill("UPS")
    counted = Counted(window)
    for box in page.locator("input[name=chosen]").all():
        counted.click(box)
    counted.click(page.get_by_role("button", name="Ship with numbers …"))
    first, second = page.locator("[data-number]").all()
    expect(first).to_be_focused()
    for number in NUMBERS:  # as a scanner does: the number, then Enter
        page.keyboard.type(number)
        page.keyboard.press("Enter")
    expect(first).to_have_value(NUMBERS[0])
    expect(second).to_have_value(NUMBERS[1])
    expect(page.get_by_role("button", name="Ship those with a number")).to_be_focused()
    assert not Shipment.objects.filter(tracking_number__in=NUMBERS).exists()
    counted.click(page.get_by_role("button", name="Ship those with a number"))
    expect(page.locator("#desk-said")).to_contain_text("2 parcels sent.")
    assert (counted.clicks, counted.loads) == (4, 2)
    sent = Shipment.objects.filter(tracking_number__in=NUMBERS)
    assert set(sent.values_list("lines__fulfillment__label", flat=True)) == ours
    Fulfillment.objects.filter(status__in=TO_SEND).update(hold_reason="")


def test_the_page_of_the_numbers_is_for_everybody(scene: Scene, open_window: Opener) -> None:
    Fulfillment.objects.filter(status__in=TO_SEND).update(hold_reason="Not today")
    orders(2)
    for place, width in enumerate((1280, 390)):
        window = open_window(staff("fulfillment"), width=width)
        page = window.go("/admin/desk/")
        page.get_by_label("Carrier for all chosen parcels").fill("UPS")
        page.locator("input[name=chosen]").nth(place).check()
        page.get_by_role("button", name="Ship with numbers …").click()
        page.locator("[data-number]").fill("1Z5R89390357567128")
        page.get_by_role("button", name="Ship those with a number").click()
        expect(page.get_by_role("main")).to_contain_text("its check digit is wrong")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert window.axe_finds() == []
        assert window.sideways() == 0
        window.close()
    Fulfillment.objects.filter(status__in=TO_SEND).update(hold_reason="")
