"""Placed orders: the list, who may see them, and the actions on them."""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from accounts.models import AccountManager, Role
from catalog.models import Product
from fulfillment.models import CodeReveal, Shipment
from redemption.checkout.rows import MOST_OF_ONE
from redemption.models import CartLine, RedemptionOrder
from redemption.states import OrderStatus
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import (
    delivered_by_mail,
    fill_cart,
    paid,
    placed,
    settle,
    shipped,
)
from tests.redemption.pages import address, now, said, timeline, titles
from tests.redemption.world import RECIPIENT

pytestmark = pytest.mark.django_db
SignIn = Callable[[AccountManager], Client]
HTMX = {"HX-Request": "true", "HX-Target": "pulse"}


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=100_000, company__name="Northwind", user__name="Ada")


@pytest.fixture
def book() -> Product:
    return ProductFactory.create(name="Bicycles", points_cost=1_500)


@pytest.fixture
def card() -> Product:
    return ProductFactory.create(virtual=True, name="Gift card", points_cost=5_000)


# --- The list --------------------------------------------------------------------------------


def test_the_list_shows_the_companys_own_orders(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    colleague = SeatFactory.create(company=seat.company)
    ours = [placed(seat, (book, 1)), placed(colleague, (book, 2))]
    theirs = placed(SeatFactory.create(), (book, 1))
    page = said(client_for(seat).get("/orders/"))
    assert all(order.order_number in page for order in ours)
    assert theirs.order_number not in page
    assert "2 orders" in page


def test_the_list_is_narrowed_by_status(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    still_open, declined = placed(seat, (book, 1)), placed(seat, (book, 2))
    settle(declined.transactions.get(), refused="insufficient_points")
    client = client_for(seat)
    page = said(client.get("/orders/?status=refused"))
    assert '<s class="muted">3,000</s>' in page  # points that were given back are crossed out
    assert declined.order_number in page
    assert still_open.order_number not in page
    assert still_open.order_number in said(client.get("/orders/?status=open"))
    assert still_open.order_number in said(client.get("/orders/?status=nonsense"))
    assert "Nothing found" in said(client.get("/orders/?status=done"))


def test_the_list_is_narrowed_by_member_time_and_type(
    client_for: SignIn, seat: AccountManager, book: Product, card: Product
) -> None:
    colleague = SeatFactory.create(company=seat.company, user__name="Grace", is_active=False)
    ours, theirs, old = (
        placed(seat, (book, 1)),
        placed(colleague, (card, 1)),
        placed(seat, (card, 1)),
    )
    RedemptionOrder.objects.filter(pk=old.pk).update(
        created_at=datetime(2025, 2, 28, 23, tzinfo=UTC)
    )
    client = client_for(seat)

    def found(**narrowed: str) -> set[str]:
        page = said(client.get("/orders/", narrowed))
        return {one.order_number for one in (ours, theirs, old) if one.order_number in page}

    every = {ours.order_number, theirs.order_number, old.order_number}
    assert found(by=str(seat.pk)) == every - {theirs.order_number}
    assert found(by=str(colleague.pk)) == {theirs.order_number}
    assert found(time="30d") == every - {old.order_number}
    assert found(time="2025-02") == found(time="2025") == {old.order_number}
    assert found(time="2025-03") == set()
    assert found(type="VIRTUAL") == every - {ours.order_number}
    assert found(type="VIRTUAL", by=str(seat.pk), time="2025-02", status="open") == {
        old.order_number
    }


@pytest.mark.parametrize(
    "narrowed",
    [{"by": "x"}, {"by": str(uuid.uuid4())}, {"time": "2025-13"}, {"time": "0000"}, {"type": "x"}],
)
def test_what_is_not_understood_does_not_narrow_the_list(
    client_for: SignIn, seat: AccountManager, book: Product, narrowed: dict[str, str]
) -> None:
    """Members of other companies cannot be filtered by either."""
    order = placed(seat, (book, 1))
    page = said(client_for(seat).get("/orders/", narrowed))
    assert order.order_number in page
    assert "1 order" in page


def test_the_address_bar_says_how_the_list_is_narrowed_and_nothing_else(
    client_for: SignIn, seat: AccountManager
) -> None:
    client = client_for(seat)
    headers = {"HX-Request": "true", "HX-Target": "orders"}
    chosen = client.get("/orders/?q=&time=30d&by=&status=open", headers=headers)
    assert chosen["HX-Push-Url"] == "/orders/?time=30d&status=open"
    assert client.get("/orders/?q=&by=", headers=headers)["HX-Push-Url"] == "/orders/"
    typed = client.get("/orders/?q=b%26b", headers=headers)
    assert typed["HX-Replace-Url"] == "/orders/?q=b%26b"


@pytest.mark.parametrize("words", ["Q4 fair", "bicy", "ADA BYRON", "ada@northwind", "number"])
def test_the_list_is_searched_by_what_people_remember(
    client_for: SignIn, seat: AccountManager, book: Product, words: str
) -> None:
    wanted = placed(seat, (book, 1), reference="Q4 fair")
    if words == "number":
        words = wanted.order_number[2:6].lower()
    client = client_for(seat)
    assert wanted.order_number in said(client.get("/orders/", {"q": f"  {words} "}))
    headers = {"HX-Request": "true", "HX-Target": "orders"}
    fragment = said(client.get("/orders/", {"q": words}, headers=headers))
    assert wanted.order_number in fragment
    assert "<html" not in fragment


@pytest.mark.parametrize("query", ["q=%00", "q=%25", "page=0", "page=abc", "q=" + "x" * 5000])
def test_odd_searches_are_answered(client_for: SignIn, seat: AccountManager, query: str) -> None:
    assert client_for(seat).get(f"/orders/?{query}").status_code == 200


def test_the_list_has_pages_in_a_fixed_number_of_queries(
    client_for: SignIn, seat: AccountManager, book: Product, django_assert_max_num_queries: Any
) -> None:
    orders = [placed(seat, (book, 1)) for _each in range(27)]
    client = client_for(seat)
    with django_assert_max_num_queries(7):
        first = said(client.get("/orders/"))
    assert orders[-1].order_number in first
    assert orders[0].order_number not in first
    second = said(client.get("/orders/?page=2"))
    assert orders[0].order_number in second
    assert "Page 2 of 2" in second


def test_a_company_without_orders_is_led_to_the_catalogue(
    client_for: SignIn, seat: AccountManager
) -> None:
    page = said(client_for(seat).get("/orders/"))
    assert "No orders yet" in page


# --- Whose order -----------------------------------------------------------------------------


def test_another_companys_order_is_not_there(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    theirs = paid(SeatFactory.create(), (card, 1))
    client = client_for(SeatFactory.create(company=seat.company, role=Role.OWNER))
    assert client.get(theirs.get_absolute_url()).status_code == 404
    assert client.get(address(theirs, "story")).status_code == 404
    for what in ("cancel", "approve", "reject", "again"):
        assert client.post(address(theirs, what)).status_code == 404
    item = theirs.items.get()
    assert client.post(address(theirs, "codes", item.pk)).status_code == 404
    for odd in ("R-NONSENSE", "%00", "%F0%9F%98%80", "R" * 3000):
        assert client.get(f"/orders/{odd}/").status_code == 404
        assert client.post(f"/orders/{odd}/cancel/").status_code == 404
    assert now(theirs).status == OrderStatus.CONFIRMED


def test_a_number_can_be_typed_in_small_letters(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    assert client_for(seat).get(order.get_absolute_url().lower()).status_code == 200


def test_an_order_page_is_read_in_a_fixed_number_of_queries(
    client_for: SignIn, seat: AccountManager, django_assert_max_num_queries: Any
) -> None:
    order = paid(seat, *((product, 1) for product in ProductFactory.create_batch(8)))
    client = client_for(seat)
    with django_assert_max_num_queries(15):
        client.get(order.get_absolute_url())


# --- What people ask for ---------------------------------------------------------------------


def test_an_order_is_cancelled_by_whoever_placed_it(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 1))
    client = client_for(seat)
    assert "Cancel this order" in said(client.get(order.get_absolute_url()))
    response = client.post(address(order, "cancel"), {"reason": "Ordered twice"})
    assert (response.status_code, response["Location"]) == (303, order.get_absolute_url())
    page = said(client.get(order.get_absolute_url()))
    assert "The whole order is cancelled. 1,500 points go back to the company’s account." in page
    assert "Bicycles cancelled" in page
    assert "Cancel this order" not in page
    again = client.post(address(order, "cancel"))
    assert "Nothing of this order can be cancelled" in said(client.get(again["Location"]))


def test_an_order_is_cancelled_while_its_points_are_being_taken(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    client_for(seat).post(address(order, "cancel"))
    assert now(order).status == OrderStatus.CANCELLING
    assert "Ada asked to cancel" in titles(order)
    settle(order.transactions.get(), refused="insufficient_points")
    assert now(order).status == OrderStatus.CANCELLED
    assert timeline(order)[-1].text == "No points were taken."


@pytest.mark.parametrize(
    ("role", "allowed"), [("buyer", False), ("viewer", False), ("owner", True)]
)
def test_a_colleague_cancels_only_as_approver_or_owner(
    client_for: SignIn, seat: AccountManager, book: Product, role: str, allowed: bool
) -> None:
    order = paid(seat, (book, 1))
    client = client_for(SeatFactory.create(company=seat.company, role=role))
    assert ("Cancel this order" in said(client.get(order.get_absolute_url()))) is allowed
    assert client.post(address(order, "cancel")).status_code == (303 if allowed else 403)


def test_codes_are_shown_on_request_recorded_and_never_kept(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    order = paid(seat, (card, 1))
    delivered_by_mail(order, "SECRET-CODE")
    client = client_for(seat)
    page = client.get(order.get_absolute_url())
    assert "SECRET-CODE" not in said(page)
    assert "no-store" in page["Cache-Control"]
    url = address(order, "codes", order.items.get().pk)
    # Without JavaScript this address stays in the address bar. Opening it again shows no code.
    assert client.get(url)["Location"] == order.get_absolute_url()
    shown = client.post(url)
    assert "SECRET-CODE" in said(shown)
    assert "no-store" in shown["Cache-Control"]
    fragment = client.post(url, headers={"HX-Request": "true", "HX-Target": "codes-1"})
    assert "SECRET-CODE" in said(fragment)
    assert "<html" not in said(fragment)
    assert CodeReveal.objects.filter(by=seat.user).count() == 2
    assert order.events.filter(subject="NOTE", by=seat.user).count() == 2
    assert "SECRET-CODE" not in said(client.get(order.get_absolute_url()))


@pytest.mark.parametrize(
    ("role", "status"), [("buyer", 403), ("viewer", 403), ("approver", 200), ("owner", 200)]
)
def test_codes_are_for_whoever_ordered_and_for_approvers(
    client_for: SignIn, seat: AccountManager, card: Product, role: str, status: int
) -> None:
    order = paid(seat, (card, 1))
    delivered_by_mail(order, "SECRET-CODE")
    client = client_for(SeatFactory.create(company=seat.company, role=role))
    response = client.post(address(order, "codes", order.items.get().pk))
    assert response.status_code == status
    assert ("SECRET-CODE" in said(response)) is (status == 200)
    assert ("Show the code" in said(client.get(order.get_absolute_url()))) is (status == 200)


def test_codes_of_several_pieces_are_shown_one_at_a_time(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    order = paid(seat, (card, 3))
    delivered_by_mail(order, "FIRST-CODE", "SECOND-CODE", "THIRD-CODE")
    client = client_for(seat)
    item = order.items.get()
    page = client.get(order.get_absolute_url())
    assert "Show this code" in said(page)
    url = address(order, "codes", item.pk)
    for number, code in ((2, "SECOND-CODE"), (3, "THIRD-CODE"), (99, "THIRD-CODE")):
        shown = said(client.post(url, {"number": str(number)}, headers={"HX-Target": "codes-1"}))
        assert [each for each in ("FIRST", "SECOND", "THIRD") if each in shown] == [
            code.partition("-")[0]
        ]
        assert f"Code {min(number, 3)} of 3" in shown
    assert "FIRST-CODE" in said(client.post(url, {"number": "x"}))
    assert CodeReveal.objects.filter(by=seat.user).count() == 4
    notes = order.events.filter(subject="NOTE", by=seat.user).values_list("reason", flat=True)
    assert notes[0] == "Showed code 2 of Gift card."


def test_a_parcel_leads_to_its_carriers_page(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = paid(seat, (book, 1))
    shipped(order)
    page = said(client_for(seat).get(order.get_absolute_url()))
    number = Shipment.objects.get().tracking_number
    assert f"piececode={number}" in page
    Shipment.objects.update(carrier="Somebody Else", tracking_number="A-B")
    page = said(client_for(seat).get(order.get_absolute_url()))
    assert "piececode" not in page
    assert "A-B" in page


def test_the_heading_says_what_it_is_and_for_whom(client_for: SignIn, seat: AccountManager) -> None:
    mug, card = ProductFactory.create(name="Mug"), ProductFactory.create(name="Card", virtual=True)

    def heading(order: RedemptionOrder, *names: str) -> str:
        for item, name in zip(order.items.all(), names, strict=False):
            item.recipient_name = name
            item.save()
        page = said(client_for(seat).get(order.get_absolute_url()))
        assert f'id="order-number">{order.order_number}</span>' in page
        [told] = re.findall(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
        return str(told).strip()

    assert heading(placed(seat, (mug, 1))) == "Mug for Ada Byron"
    assert heading(placed(seat, (mug, 3)), "Bo") == "3 × Mug for Bo"
    assert heading(placed(seat, (mug, 1), (card, 1)), "Ada", "Bo") == "Mug and Card for Ada and Bo"
    assert heading(placed(seat, *[(card, 1)] * 3), "A", "B", "C") == "Card for 3 people"
    other = ProductFactory.create(name="Pen")
    many = placed(seat, (mug, 1), (card, 1), (other, 1))
    assert heading(many) == "Mug and 2 others for Ada Byron"
    evil = heading(placed(seat, (mug, 1)), "<script>alert(1)</script>")
    assert evil == "Mug for &lt;script&gt;alert(1)&lt;/script&gt;"


def test_an_open_order_says_that_its_page_may_be_closed(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    client = client_for(seat)
    assert "You may close this page" in said(client.get(order.get_absolute_url()))
    settle(order.transactions.get(), refused="insufficient_points")
    assert "You may close this page" not in said(client.get(order.get_absolute_url()))


def test_codes_of_a_line_of_another_order_are_not_there(
    client_for: SignIn, seat: AccountManager, card: Product
) -> None:
    mine, other = paid(seat, (card, 1)), paid(SeatFactory.create(), (card, 1))
    delivered_by_mail(other, "SECRET-CODE")
    client = client_for(seat)
    for item_id in (other.items.get().pk, uuid.uuid4()):
        assert client.post(address(mine, "codes", item_id)).status_code == 404


def test_redeeming_again_fills_the_cart_with_what_is_still_on_offer(
    client_for: SignIn, seat: AccountManager, book: Product, card: Product
) -> None:
    order = placed(seat, (book, 2), (card, 1))
    settle(order.transactions.get(), refused="insufficient_points")
    Product.objects.filter(pk=card.pk).update(is_active=False)
    client = client_for(seat)
    response = client.post(address(order, "again"))
    assert response["Location"] == "/cart/"
    page = said(client.get("/cart/"))
    assert "“Gift card” was left out: This product is not on offer any more." in page
    assert [(line.product, line.quantity) for line in CartLine.objects.all()] == [(book, 2)]


def test_redeeming_again_keeps_the_people_and_the_reference_and_leads_to_the_button(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 2), reference="PO-4711")
    client = client_for(seat)
    response = client.post(address(order, "again"))
    assert response["Location"] == f"/checkout/?again={order.order_number}"
    row = CartLine.objects.get()
    assert (row.recipient(), row.quantity, row.message) == (RECIPIENT, 2, "")
    page = client.get(response["Location"])
    assert "PO-4711" in said(page)
    assert "Invalidenstr. 43" in said(page)
    stranger = SeatFactory.create(role="buyer")
    fill_cart(stranger, (book, 1))
    assert "PO-4711" not in said(client_for(stranger).get(response["Location"]))


def test_redeeming_again_beside_other_things_leads_to_the_cart(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 2))
    fill_cart(seat, (book, 1))
    client = client_for(seat)
    assert client.post(address(order, "again"))["Location"] == "/cart/"
    assert client.post(address(order, "again"))["Location"] == "/cart/"
    rows = CartLine.objects.order_by("position").values_list("position", "quantity")
    assert list(rows) == [(0, 2), (1, 2), (None, 1)]


def test_redeeming_again_asks_whoever_gave_their_own_address(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 2))
    hidden = {"address_line1": "", "postcode": "", "country": "", "recipient_phone": ""}
    order.items.update(**hidden, waits_for="RECIPIENT", fulfillment_status="SHIPPED")
    client_for(seat).post(address(order, "again"))
    row = CartLine.objects.get()
    assert (row.asks, row.recipient_email, row.city) == (True, RECIPIENT["recipient_email"], "")


def test_redeeming_again_what_was_for_nobody_yet_is_for_nobody(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 2))
    order.items.update(recipient_name="", waits_for="RECIPIENT")
    client_for(seat).post(address(order, "again"))
    assert CartLine.objects.get().position is None


def test_redeeming_again_for_many_people_costs_no_more_than_for_one(
    client_for: SignIn, seat: AccountManager, book: Product, django_assert_max_num_queries: Any
) -> None:
    order = placed(seat, *[(book, 1)] * 40)
    client = client_for(seat)
    with django_assert_max_num_queries(20):
        client.post(address(order, "again"))
    assert CartLine.objects.get().quantity == 40


def test_what_does_not_fit_into_the_cart_again_is_named_with_its_reason(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 2))
    fill_cart(seat, (book, MOST_OF_ONE))
    client = client_for(seat)
    client.post(address(order, "again"))
    page = said(client.get("/cart/"))
    assert "“Bicycles” was left out: A cart holds at most 1,000 of one product" in page
    assert CartLine.objects.get().quantity == MOST_OF_ONE


def test_a_forms_address_opened_by_hand_leads_to_the_order_and_does_nothing(
    client_for: SignIn, seat: AccountManager, book: Product
) -> None:
    order = placed(seat, (book, 1))
    for what in ("cancel", "approve", "reject", "again"):
        response = client_for(seat).get(address(order, what))
        assert (response.status_code, response["Location"]) == (303, order.get_absolute_url())
    assert now(order).status == OrderStatus.PENDING
    assert not CartLine.objects.exists()


@pytest.mark.parametrize("reason", ["Two\0 too many", "  Two\r\n too   many "])
def test_a_reason_is_kept_as_it_can_be_read(
    client_for: SignIn, seat: AccountManager, book: Product, reason: str
) -> None:
    order = paid(seat, (book, 1))
    assert client_for(seat).post(address(order, "cancel"), {"reason": reason}).status_code == 303
    assert "Two too many" in " ".join(step.text for step in timeline(order))
