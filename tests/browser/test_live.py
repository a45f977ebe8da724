"""Pages update while they are open: search, the order's timeline, and double submits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from accounts.models import AccountManager, KnownBalance
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment
from loyalty_portal.data.actor import Actor
from redemption.checkout.cart.services import add_to_cart
from redemption.models import RedemptionOrder
from tests.browser.scene import Scene
from tests.browser.window import STRICT, Window, fill_in_recipient
from tests.support.stack import Stack
from tests.support.visitor import Visitor
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
NUMBER = re.compile(r"/orders/(R-[\w-]+)/$")
# Removes attributes and relative times, which change although the shown content is the same.
SHOWN = """(selector) => {
  const part = document.querySelector(selector).cloneNode(true);
  part.querySelectorAll("time").forEach((time) => {
    time.textContent = "then";
    time.removeAttribute("data-relative");
  });
  part.querySelectorAll("[name=csrfmiddlewaretoken], [name=token]").forEach((field) => field.remove());
  part.querySelectorAll("[class]").forEach((element) => {
    element.classList.remove("htmx-settling", "htmx-added", "htmx-request");
    if (!element.classList.length) element.removeAttribute("class");
  });
  return part.innerHTML.replace(/\\s+/g, " ");
}"""


def a_buyer(scene: Scene, **fields: Any) -> AccountManager:
    """A buyer with a company and a balance of their own."""
    return scene.new_seat("buyer", scene.new_company(points=100_000, **fields))


def same_as_reloaded(page: Page, *parts: str) -> None:
    swapped = [page.evaluate(SHOWN, part) for part in parts]
    page.reload()
    page.wait_for_load_state("networkidle")
    for part, before in zip(parts, swapped, strict=True):
        assert page.evaluate(SHOWN, part).split(">") == before.split(">")


# --- Catalogue -----------------------------------------------------------------------------------


def test_search_as_you_type_keeps_the_address(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/catalog/")
    search = page.get_by_role("combobox", name="Search the catalogue")
    results = page.locator("#results")

    search.press_sequentially("kitchen")
    expect(page).to_have_url(re.compile(r"\?q=kitchen$"))
    expect(results).to_contain_text("Results for “kitchen”")
    expect(results.get_by_role("listitem")).to_have_count(1)
    expect(search).to_be_focused()
    expect(page).to_have_title(re.compile("kitchen"))
    same_as_reloaded(page, "#results", "#facets")
    expect(search).to_have_value("kitchen")


def test_filters_can_be_undone_with_back(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/catalog/")
    count = page.locator("#results .head p")
    expect(count).to_have_text("13 products")

    page.get_by_label("Shipped").check()
    expect(count).to_have_text("8 products")
    page.get_by_label("Cities").check()
    expect(count).to_have_text("2 products")
    address = page.url
    same_as_reloaded(page, "#results", "#facets")

    page.go_back()
    expect(count).to_have_text("8 products")
    expect(page.get_by_label("Shipped")).to_be_checked()
    page.go_back()
    expect(count).to_have_text("13 products")
    page.goto(address)
    expect(page.get_by_label("Cities")).to_be_checked()
    page.get_by_role("link", name="Take off").first.click()
    expect(count).not_to_have_text("2 products")


def test_sorting_and_the_phones_drawer(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer, width=390).go("/catalog/")
    page.get_by_label("Sort").select_option(index=1)
    expect(page).to_have_url(re.compile("sort="))
    same_as_reloaded(page, "#results")

    page.locator("summary", has_text="Filters").click()
    page.get_by_label("Gift cards").check()
    done = page.get_by_role("button", name="5 products")
    done.click()
    expect(done).to_be_hidden()
    expect(page.get_by_role("link", name="Harbour Coffee")).to_be_visible()


def test_stepper_shows_what_will_be_left(scene: Scene, open_window: Opener) -> None:
    page = open_window(a_buyer(scene)).go(scene.path("{book}"))
    tally = page.locator("#tally")
    page.get_by_role("button", name="One more").click()
    page.get_by_role("button", name="One more").click()

    expect(page.get_by_label("Quantity")).to_have_value("3")
    expect(tally).to_contain_text("4,470")
    expect(tally).to_contain_text("95,530")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_label("How many of The Lighthouse Ledger")).to_have_value("3")


# --- Cart and checkout ---------------------------------------------------------------------------


def with_cart(scene: Scene, seat: AccountManager) -> AccountManager:
    for product in (scene.book, scene.card):
        add_to_cart(seat=seat, product=product, quantity=1)
    return seat


def test_cart_changes_in_place(scene: Scene, open_window: Opener) -> None:
    page = open_window(with_cart(scene, a_buyer(scene))).go("/cart/")
    total = page.get_by_label("Total", exact=True)
    expect(total).to_contain_text("97,010")  # the points left, once the partner has answered
    page.get_by_role("button", name="One more").first.click()
    expect(total).to_contain_text("4,480")
    expect(page.locator("#cart-count")).to_have_text("2")
    same_as_reloaded(page, "#cart")

    page.get_by_role("button", name="Take out The Lighthouse Ledger").click()
    expect(total).to_contain_text("1,500")
    expect(page.locator("#cart-count")).to_have_text("1")
    page.get_by_role("button", name="Take out Lumen Cinema").click()
    expect(page.get_by_role("main")).to_contain_text("Your cart is empty")
    expect(page.locator("#cart-count")).to_be_hidden()


def test_double_click_on_redeem_is_one_order(scene: Scene, open_window: Opener) -> None:
    seat = with_cart(scene, a_buyer(scene))
    page = open_window(seat).go("/checkout/")
    fill_in_recipient(page)

    page.get_by_role("button", name="Redeem 2,990 points").dblclick()

    expect(page).to_have_url(NUMBER)
    assert seat.orders.count() == 1


def test_same_checkout_in_two_tabs_is_one_order(scene: Scene, open_window: Opener) -> None:
    seat = with_cart(scene, a_buyer(scene))
    window = open_window(seat)
    tabs = [window.page, window.another()]
    for tab in tabs:
        tab.goto("/checkout/")
        fill_in_recipient(tab)
    for tab in tabs:
        tab.get_by_role("button", name="Redeem 2,990 points").click()
        expect(tab).to_have_url(NUMBER)

    assert tabs[0].url == tabs[1].url
    assert seat.orders.count() == 1


def test_wrong_form_keeps_what_was_typed(scene: Scene, open_window: Opener) -> None:
    """The summary gets the focus and links to each field, which shows its error."""
    seat = with_cart(scene, a_buyer(scene))
    window = open_window(seat)
    page = window.go("/checkout/")
    fill_in_recipient(page, recipient_email="ada at northwind")
    page.locator("#id_recipient_name").fill("")
    page.get_by_role("button", name="Redeem 2,990 points").click()

    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(page.locator("#id_address_line1")).to_have_value("Invalidenstr. 43")
    email = page.locator("#id_recipient_email")
    expect(email).to_have_value("ada at northwind")
    expect(email).to_have_attribute("aria-invalid", "true")
    summary.get_by_role("link", name=re.compile("E-mail")).click()
    expect(email).to_be_focused()
    assert window.axe_finds() == []

    email.fill("ada@northwind.example")
    page.locator("#id_recipient_name").fill("Ada Byron")
    page.get_by_role("button", name="Redeem 2,990 points").click()
    expect(page).to_have_url(NUMBER)
    assert seat.orders.count() == 1


def test_address_book_fills_in_the_form(scene: Scene, open_window: Opener) -> None:
    seat = with_cart(scene, a_buyer(scene))
    page = open_window(seat).go("/checkout/")
    fill_in_recipient(page)
    page.get_by_label("Keep in our address book").check()
    page.get_by_role("button", name="Redeem 2,990 points").click()
    expect(page).to_have_url(NUMBER)

    with_cart(scene, seat)
    page.goto("/checkout/")
    expect(page.locator("#id_city")).to_have_value("")
    page.get_by_label("Address book").first.select_option(index=2)
    expect(page.locator("#id_city")).to_have_value("Berlin")


def test_the_postcode_comes_and_goes_with_the_country(scene: Scene, open_window: Opener) -> None:
    page = open_window(with_cart(scene, a_buyer(scene))).go("/checkout/")
    fill_in_recipient(page)
    page.locator("#id_country").select_option("HK")
    expect(page.locator("#id_postcode")).to_have_count(0)
    expect(page.locator("#id_city")).to_have_value("Berlin")
    page.locator("#id_country").select_option("DE")
    expect(page.locator("#id_postcode")).to_be_visible()


# --- An order ------------------------------------------------------------------------------------


def test_order_tells_its_story_until_it_ends(
    stack: Stack, scene: Scene, open_window: Opener
) -> None:
    stack.sandbox.dial(delay=2)
    seat = a_buyer(scene)
    add_to_cart(seat=seat, product=scene.card, quantity=1)
    page = open_window(seat).go("/checkout/")
    fill_in_recipient(page)
    page.get_by_role("button", name="Redeem 1,500 points").click()
    page.evaluate("document.documentElement.dataset.stayed = 'yes'")

    story = page.get_by_role("main")
    expect(story).to_contain_text("Ordered from our partner")
    expect(story).to_contain_text("Delivered by e-mail")
    expect(story.locator("header")).to_contain_text("Completed")
    expect(page.get_by_role("button", name="Redeem again")).to_be_visible()
    expect(page.locator("#balance")).to_contain_text("98,500")

    # The page polls no more and was never reloaded.
    expect(page.locator("#pulse")).not_to_have_attribute("hx-get", re.compile("."))
    assert page.evaluate("document.documentElement.dataset.stayed") == "yes"
    same_as_reloaded(page, "#order")


def test_codes_stay_shown_while_the_story_goes_on(scene: Scene, open_window: Opener) -> None:
    """The order with a book in transit goes on, and the timeline names who saw the codes."""
    page = open_window(scene.buyer).go(scene.path("/orders/{queued}/"))
    page.get_by_role("button", name="Show the code").click()
    code = page.locator(".secret code").first
    expect(code).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("Grace Hopper looked at the codes")
    expect(code).to_be_visible()


def test_a_reason_that_is_being_typed_survives_what_happens_meanwhile(
    scene: Scene, open_window: Opener
) -> None:
    seat = a_buyer(scene)
    in_stock = Product.objects.filter(product_type="PHYSICAL", stock_status="IN_STOCK")
    other = in_stock.exclude(pk=scene.book.pk)[0]  # a new product would count in other tests
    order = scene.place((scene.book, 1), (other, 1), seat=seat)
    confirmed = RedemptionOrder.objects.filter(pk=order.pk, status="CONFIRMED")
    eventually(confirmed.exists, "the points are taken")
    page = open_window(seat).go(order.get_absolute_url())
    page.locator("summary", has_text="Cancel this order").click()
    reason = page.get_by_label("Reason")
    reason.press_sequentially("Ordered twi")
    before = page.locator("#pulse").get_attribute("hx-get") or ""

    book = Fulfillment.objects.get(label=order.order_number, sku=scene.book.sku)
    desk.claim(fulfillment=book, by=Actor.person(scene.clerk))
    expect(page.locator("#pulse")).not_to_have_attribute("hx-get", before)
    expect(reason).to_be_focused()
    page.keyboard.type("ce")
    expect(reason).to_have_value("Ordered twice")

    # What would be cancelled has changed: it is said where it is confirmed, and the reason stays.
    form = page.locator("#confirm-cancel")
    expect(form).to_contain_text("This has changed since you looked")
    expect(form).to_contain_text(f"Cancelled at once: {other.name}")
    same_as_reloaded(page, "#order .timeline")
    page.locator("summary", has_text="Cancel this order").click()
    page.get_by_label("Reason").fill("Ordered twice")
    # Nothing is left of it to be cancelled: the form goes, and that is said too.
    parcel = Fulfillment.objects.get(label=order.order_number, sku=other.sku)
    desk.claim(fulfillment=parcel, by=Actor.person(scene.clerk))
    expect(page.locator("#messages")).to_contain_text("This has changed since you looked")
    expect(page.locator("#confirm-cancel")).to_have_count(0)


def test_approver_says_yes_in_the_browser(scene: Scene, open_window: Opener) -> None:
    company = scene.new_company(points=100_000, approval_threshold=1_000)
    buyer, approver = (scene.new_seat(role, company) for role in ("buyer", "approver"))
    order = scene.place((scene.card, 1), seat=buyer)
    watching = open_window(buyer).go(order.get_absolute_url())
    expect(watching.get_by_role("main")).to_contain_text("Waiting for approval")

    page = open_window(approver).go("/")
    waiting = page.get_by_role("listitem").filter(has_text="1 order is waiting for your approval")
    waiting.get_by_role("link", name="Decide").click()
    page.get_by_role("button", name="Approve 1,500 points").click()

    expect(page.locator("#messages")).to_contain_text(f"Approved: {order.order_number}.")
    expect(page.get_by_role("main")).to_contain_text("Nothing is waiting for you")
    expect(watching.locator("#order header")).to_contain_text("Completed")


@pytest.mark.parametrize("javascript", [True, False])
def test_approver_looks_at_orders_and_decides_on_several_by_keyboard(
    scene: Scene, open_window: Opener, javascript: bool
) -> None:
    company = scene.new_company(points=100_000, approval_threshold=1_000)
    buyer, approver = (scene.new_seat(role, company) for role in ("buyer", "approver"))
    orders = [scene.place((scene.card, pieces), seat=buyer) for pieces in (1, 2, 3)]
    window = open_window(approver, javascript=javascript)
    page = window.go("/approvals/")
    expect(page.locator("#panel")).to_contain_text("Approve 1,500 points")
    page.get_by_role("checkbox", name=orders[0].order_number).focus()
    page.keyboard.press("Space")
    if javascript:
        third = page.get_by_role("row").filter(has_text="4,500").get_by_role("link")
        third.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#panel")).to_contain_text("Approve 4,500 points")
        expect(third).to_be_focused()
        expect(page.get_by_role("checkbox", name=orders[0].order_number)).to_be_checked()
        assert window.axe_finds(STRICT) == []
    page.get_by_role("checkbox", name=orders[1].order_number).focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Approve the chosen ones").focus()
    page.keyboard.press("Enter")
    told = page.locator("#messages")
    for order in orders[:2]:
        expect(told).to_contain_text(order.order_number)
    expect(page.locator("#panel")).to_contain_text("Approve 4,500 points")
    if javascript:
        page.get_by_role("link", name="3 × ").click()
        expect(page.locator("#panel")).to_contain_text("Approve 4,500 points")
        same_as_reloaded(page, "#panel")
    # A no without a reason is told beside the field, and nothing is decided.
    page.get_by_role("checkbox", name=orders[2].order_number).check()
    page.get_by_text("Do not approve the chosen ones").first.click()
    page.get_by_role("button", name="Do not approve the chosen ones").click()
    expect(page.get_by_role("main")).to_contain_text("Give a reason; the buyer will read it.")
    page.get_by_label("Why? The buyer reads it.").first.fill("Not now")
    page.get_by_role("button", name="Do not approve the chosen ones").click()
    expect(page.locator("#messages")).to_contain_text("No points were taken.")


# --- The balance ---------------------------------------------------------------------------------


def test_orders_are_searched_for_as_typed_and_what_is_typed_meanwhile_counts(
    scene: Scene, open_window: Opener
) -> None:
    page = open_window(scene.buyer).go("/orders/")
    field = page.locator("#order-search")
    first = re.compile(r"/orders/\?.*q=boo(&|$)")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(first, hold)
    with page.expect_request(first):
        field.press_sequentially("boo")
    field.press_sequentially("k ")
    held[0].continue_()

    expect(page).to_have_url(re.compile(r"q=book\b"))
    expect(field).to_have_value("book ")
    expect(field).to_be_focused()
    page.get_by_label("When").select_option(index=1)
    expect(page).to_have_url(re.compile(r"time=\w"))
    same_as_reloaded(page, "#orders")


def test_an_orders_number_is_copied_and_screen_readers_are_told(
    scene: Scene, open_window: Opener
) -> None:
    window = open_window(scene.buyer)
    page = window.go(scene.path("/orders/{shipped}/"))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").first.click()
    expect(page.locator("#live")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == scene.order["shipped"]
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name="Cop").first.click()  # without TLS there is no clipboard
    assert page.evaluate("getSelection().toString()") == scene.order["shipped"]
    plain = open_window(scene.buyer, javascript=False).go(scene.path("/orders/{shipped}/"))
    expect(plain.locator("#order-number")).to_have_text(scene.order["shipped"])
    expect(plain.get_by_role("button", name="Copy")).to_have_count(0)


def test_balance_is_asked_for_after_the_page(
    stack: Stack, scene: Scene, open_window: Opener
) -> None:
    seat = a_buyer(scene)
    page = open_window(seat).go("/catalog/")
    balance = page.locator("#balance")
    expect(balance).to_contain_text("100,000")

    stack.sandbox.account(seat.company.loyalty_account_id, 54_321)
    grown_old(stack, seat, minutes=1)
    page.reload()
    expect(balance).to_contain_text("54,321")


def test_balance_that_comes_leaves_the_focus_where_it_is(
    stack: Stack, scene: Scene, open_window: Opener
) -> None:
    """Who walks through the page by keyboard stands on the figure while it is replaced."""
    seat = a_buyer(scene)
    page = open_window(seat).go("/catalog/")
    balance = page.locator("#balance")
    expect(balance).to_contain_text("100,000")
    stack.sandbox.account(seat.company.loyalty_account_id, 54_321)
    grown_old(stack, seat, minutes=1)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/balance/", hold)
    with page.expect_request("**/balance/"):
        page.reload()

    balance.get_by_role("link").focus()
    held[0].continue_()
    expect(balance).to_contain_text("54,321")

    expect(balance.get_by_role("link")).to_be_focused()


def test_partner_down_leaves_the_last_figure_with_its_age(
    stack: Stack, scene: Scene, open_window: Opener
) -> None:
    seat = a_buyer(scene)
    window = open_window(seat)
    page = window.go("/")
    balance = page.locator("#balance")
    expect(balance).to_contain_text("100,000")

    stack.sandbox.fault("balance", "unavailable_503", times=None)
    grown_old(stack, seat, minutes=25)
    page.reload()
    expect(balance).to_contain_text("The loyalty system does not answer")
    expect(balance).to_contain_text("100,000")
    expect(balance).to_contain_text("as of 25 minutes ago")
    page.reload()
    expect(page.get_by_role("main")).to_contain_text("The loyalty system does not answer")
    assert window.axe_finds() == []
    page.goto("/catalog/")
    expect(page.locator("#results")).to_contain_text("13 products")


def test_partner_that_never_told_a_balance(stack: Stack, scene: Scene, open_window: Opener) -> None:
    stack.sandbox.fault("balance", "error_500_before", times=None)
    window = open_window(a_buyer(scene))
    page = window.go("/")
    expect(page.locator("#balance")).to_contain_text("Balance not known now")
    expect(page.get_by_role("main")).to_contain_text("has not told us your balance yet")
    page.goto(scene.path("{book}"))
    expect(page.get_by_role("button", name="Add to cart")).to_be_enabled()
    assert window.axe_finds() == []


def grown_old(stack: Stack, seat: AccountManager, *, minutes: int) -> None:
    """Make the known balance so many minutes old."""
    then = timezone.now() - timedelta(minutes=minutes)
    KnownBalance.objects.filter(company=seat.company).update(fetched_at=then)
    stack.redis.flush()


def test_what_is_asked_with_the_partner_down_is_done_later(
    stack: Stack, scene: Scene, open_window: Opener
) -> None:
    """The page says so, and goes on by itself when the partner answers again."""
    stack.sandbox.fault("debit", "unavailable_503", times=None)
    seat = a_buyer(scene)
    add_to_cart(seat=seat, product=scene.card, quantity=1)
    page = open_window(seat).go("/checkout/")
    fill_in_recipient(page)
    page.get_by_role("button", name="Redeem 1,500 points").click()
    expect(page.get_by_role("main")).to_contain_text("nothing is taken or given twice")

    stack.sandbox.clear_faults()

    expect(page.locator("#order header")).to_contain_text("Completed", timeout=60_000)
    assert RedemptionOrder.objects.get(account_manager=seat).status == "COMPLETED"


# --- Lists, by keyboard --------------------------------------------------------------------------


def test_paging_by_keyboard_leads_to_the_lists_heading(scene: Scene, open_window: Opener) -> None:
    seat = a_buyer(scene)
    for _number in range(27):
        scene.place((scene.book, 1), seat=seat)
    page = open_window(seat).go("/orders/")
    page.get_by_role("link", name="Next").press("Enter")
    expect(page.get_by_role("heading", name="Orders, page 2 of 2")).to_be_focused()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#orders table') !== null")
    page.get_by_role("link", name="Cancelled").press("Enter")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_focused()


def test_a_quantity_that_cannot_be_is_told_in_the_designed_way(
    scene: Scene, open_window: Opener
) -> None:
    page = open_window(a_buyer(scene)).go(scene.path("{book}"))
    page.get_by_label("Quantity").fill("9999")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page.get_by_label("Quantity")).to_have_value("9999")
    expect(page.locator("#quantity-error")).to_contain_text("whole number from 1 to 1,000")


def test_a_no_without_its_reason_is_told_in_the_designed_way(
    scene: Scene, open_window: Opener
) -> None:
    page = open_window(scene.approver).go(scene.path("/orders/{waiting}/"))
    page.locator("summary", has_text="Do not approve").click()
    page.get_by_role("button", name="Do not approve").click()
    expect(page.locator("[data-error-summary]")).to_be_focused()
    expect(page.get_by_label("Why? The buyer reads it.")).to_be_visible()


def test_times_do_not_run_backwards_on_a_machine_whose_clock_is_ahead(
    scene: Scene, open_window: Opener
) -> None:
    seat = a_buyer(scene)
    order = scene.place((scene.book, 1), seat=seat)
    for age, words in ((17, "now"), (125, "2 minutes ago")):
        placed = timezone.now() - timedelta(seconds=age)
        RedemptionOrder.objects.filter(pk=order.pk).update(created_at=placed)
        window = open_window(seat)
        window.page.clock.install(time=datetime.now(UTC) + timedelta(hours=3))
        page = window.go("/orders/")
        expect(page.locator("#orders time").first).to_have_text(words)


# --- Suggestions under the search field ----------------------------------------------------------


@pytest.fixture
def _indexed(stack: Stack, scene: Scene) -> Iterator[None]:
    """The stack with its indexer, which has built the index."""
    stack.indexer.start()
    probe = stack.visitor()

    def is_ready() -> bool:
        return "search index" in _parts(probe) and _parts(probe)["search index"] == "ok"

    eventually(is_ready, "the index is used", within=120)
    yield
    stack.drop_index()


def _parts(probe: Visitor) -> dict[str, str]:
    told: dict[str, dict[str, str]] = probe.get("/readyz").json()
    return told["parts"]


def typed(page: Page, text: str) -> None:
    page.get_by_role("combobox", name="Search the catalogue").press_sequentially(text)


@pytest.mark.usefixtures("_indexed")
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


@pytest.mark.usefixtures("_indexed")
def test_suggestions_by_mouse_lead_to_a_category(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/catalog/")
    typed(page, "citi")
    page.get_by_role("option", name="Cities").click()
    expect(page).to_have_url(re.compile(r"\?category=cities$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Cities")


@pytest.mark.usefixtures("_indexed")
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


@pytest.mark.usefixtures("_indexed")
def test_without_javascript_it_is_a_search_field(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer, javascript=False).go("/catalog/")
    field = page.get_by_role("searchbox", name="Search the catalogue")
    field.fill("lighthouse")
    field.press("Enter")
    expect(page.get_by_role("link", name="The Lighthouse Ledger")).to_be_visible()
    expect(page.get_by_role("listbox")).to_have_count(0)
