"""Orders, their lines and deliveries, and points transactions, over the API."""

from datetime import datetime
from typing import Any

import pytest

from accounts.models import AccountManager
from loyalty_portal.data.actor import Actor
from redemption.models import RedemptionOrder
from redemption.orders.actions import cancelling
from tests.accounts.access.making import new_key
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.api.calls import Calls
from tests.redemption.factories import delivered_by_mail, paid, placed, settle, shipped

pytestmark = pytest.mark.django_db


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(user__name="Grace Hopper")


@pytest.fixture
def calls(seat: AccountManager) -> Calls:
    return Calls(new_key(seat.company))


def as_told(moment: datetime | None) -> str:
    """A time as answers have it: RFC 3339 in UTC."""
    assert moment
    return moment.isoformat().replace("+00:00", "Z")


def test_an_order_is_found_by_id_and_by_number_and_told_in_full(
    seat: AccountManager, calls: Calls, settings: Any
) -> None:
    order = paid(seat, (ProductFactory.create(points_cost=300), 2), reference="PO-7")
    by_id, by_number = (calls.get(f"/orders/{key}") for key in (order.pk, order.order_number))
    assert by_id.json() == by_number.json()
    assert calls.get(f"/orders/{order.order_number.lower()}").status_code == 200
    told = by_id.json()
    assert (told["order_number"], told["status"]) == (order.order_number, order.status)
    assert (told["total_points"], told["reference"], told["note"]) == (600, "PO-7", None)
    assert told["placed_by"] == "Grace Hopper"
    assert told["points"] == {"taken": 600, "returned": 0, "in_flight": 0, "coming_back": 0}
    assert (told["lines"], told["transactions"], told["completed_at"]) == (None, None, None)
    assert told["links"]["page"] == f"{settings.PORTAL_URL}{order.get_absolute_url()}"
    full = calls.get(f"/orders/{order.pk}?expand=lines,transactions").json()
    [line], [debit] = full["lines"], full["transactions"]
    assert (line["quantity"], line["points_per_item"], line["delivered"]) == (2, 300, 0)
    assert line["recipient"]["name"] == "Ada Byron"
    assert line["recipient"]["address_line2"] is None
    assert (debit["transaction_type"], debit["status"]) == ("DEBIT", "SUCCEEDED")


def test_points_that_are_being_taken_and_given_back_are_told(
    seat: AccountManager, calls: Calls
) -> None:
    mug = ProductFactory.create(points_cost=100, in_stock=9)
    waiting, order = placed(seat, (mug, 1)), paid(seat, (mug, 2))
    told = calls.get(f"/orders/{waiting.pk}").json()["points"]
    assert told == {"taken": 0, "returned": 0, "in_flight": 100, "coming_back": 0}
    cancelling.cancel(order=order, by=Actor.in_seat(seat), reason="", shown="")
    told = calls.get(f"/orders/{order.pk}").json()["points"]
    assert told == {"taken": 200, "returned": 0, "in_flight": 0, "coming_back": 200}
    settle(order.transactions.get(transaction_type="CREDIT"))
    told = calls.get(f"/orders/{order.pk}").json()
    assert told["points"] == {"taken": 200, "returned": 200, "in_flight": 0, "coming_back": 0}
    assert told["status"] == "CANCELLED"
    order.refresh_from_db()
    assert told["completed_at"] == as_told(order.completed_at)
    [line] = calls.get(f"/orders/{order.pk}/lines").json()["data"]
    assert (line["quantity"], line["delivered"], line["refunded"]) == (2, 0, 2)
    assert line["fulfillment_status"] == order.items.get().fulfillment_status
    rows = calls.every("/transactions", {"order_number": order.order_number})
    assert [row["transaction_type"] for row in rows] == ["CREDIT", "DEBIT"]
    [credit] = calls.get("/transactions?transaction_type=CREDIT").json()["data"]
    assert calls.get(f"/transactions/{credit['id']}").json() == credit
    assert credit["order_id"] == str(order.pk)
    assert (credit["points_amount"], credit["status"]) == (200, "SUCCEEDED")
    kept = order.transactions.get(transaction_type="CREDIT")
    assert credit["external_transaction_id"] == kept.external_transaction_id
    assert credit["settled_at"] == as_told(kept.settled_at)
    unsettled = calls.get("/transactions?status=INTENDED&status=SENT").json()["data"]
    assert [row["order_number"] for row in unsettled] == [waiting.order_number]
    assert (unsettled[0]["settled_at"], unsettled[0]["external_transaction_id"]) == (None, None)
    assert unsettled[0]["status"] == waiting.transactions.get().status
    waiting.transactions.update(status="UNKNOWN")
    told = calls.get(f"/transactions/{unsettled[0]['id']}")
    assert (told.status_code, told.json()["status"]) == (200, "UNKNOWN")


def test_the_list_of_orders_is_narrowed_and_pages_cost_the_same_queries(
    seat: AccountManager, calls: Calls, django_assert_max_num_queries: Any
) -> None:
    mug = ProductFactory.create(in_stock=90)
    made = [paid(seat, (mug, 1), reference=f"PO-{number % 2}") for number in range(5)]
    open_one = placed(seat, (mug, 1))
    newest_first = [str(order.pk) for order in reversed([*made, open_one])]
    assert [row["id"] for row in calls.every("/orders", {"limit": 2})] == newest_first
    queries = {
        "status=PENDING": {open_one},
        "status=PENDING&status=COMPLETED": {open_one},
        "reference=PO-1": {made[1], made[3]},
        "created_from=2100-01-01T00:00:00Z": set(),
        "created_until=2100-01-01T00:00:00%2B01:00": {*made, open_one},
    }
    for query, orders in queries.items():
        rows = calls.get(f"/orders?{query}").json()["data"]
        assert {row["id"] for row in rows} == {str(order.pk) for order in orders}, query
    same = RedemptionOrder.objects.filter(company=seat.company)
    same.update(created_at=made[0].created_at)  # as of one file
    again = [row["id"] for row in calls.every("/orders", {"limit": 2})]
    assert sorted(again) == sorted(newest_first)
    with django_assert_max_num_queries(3):  # the key, the orders, their points
        calls.get("/orders")
    with django_assert_max_num_queries(7):
        calls.get("/orders?expand=lines,transactions")


def test_an_order_that_did_not_change_is_a_304_in_one_query_beside_the_key(
    seat: AccountManager, calls: Calls, django_assert_num_queries: Any
) -> None:
    order = paid(seat, (ProductFactory.create(), 1))
    path = f"/orders/{order.pk}"
    tag = calls.get(path)["ETag"]
    with django_assert_num_queries(2):
        same = calls.get(path, **{"If-None-Match": tag})
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", tag)
    assert calls.get(path, **{"If-None-Match": f'"x", W/{tag}'}).status_code == 304
    assert calls.get(f"{path}?expand=lines", **{"If-None-Match": tag}).status_code == 200
    RedemptionOrder.objects.filter(pk=order.pk).beat()
    changed = calls.get(path, **{"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed["ETag"] != tag
    other = SeatFactory.create()
    theirs = Calls(new_key(other.company))
    assert theirs.get(path, **{"If-None-Match": "*"}).status_code == 404


def test_lines_come_page_by_page_with_what_was_sent_of_them(
    seat: AccountManager, calls: Calls
) -> None:
    mug, novel = ProductFactory.create(in_stock=9), ProductFactory.create(virtual=True)
    order = paid(seat, (mug, 2), (mug, 1), (novel, 1))
    shipped(order)
    lines = calls.every(f"/orders/{order.order_number}/lines", {"limit": 2})
    assert [line["id"] for line in lines] == [str(item.pk) for item in order.items.all()]
    [parcel] = lines[0]["shipments"]
    assert (parcel["carrier"], parcel["tracking_number"]) == ("DHL", "JJD1")
    assert parcel["shipped_at"].endswith("Z")
    told = ("sku", "product_name", "fulfillment_status")
    assert [lines[0][name] for name in told] == [mug.sku, mug.name, "SHIPPED"]
    assert lines[2]["shipments"] == []
    [sent] = calls.get(f"/orders/{order.pk}/lines/{lines[0]['id']}/deliveries").json()["data"]
    assert (sent["kind"], sent["quantity"], sent["carrier"]) == ("parcel", 2, "DHL")
    nothing = calls.get(f"/orders/{order.pk}/lines/{lines[2]['id']}/deliveries").json()
    assert nothing == {"data": [], "next": None}


def test_codes_that_were_delivered_are_told_of_and_never_shown(
    seat: AccountManager, calls: Calls
) -> None:
    order = paid(seat, (ProductFactory.create(virtual=True), 2))
    delivered_by_mail(order, "SECRET-1", "SECRET-2")
    item = order.items.get()
    answer = calls.get(f"/orders/{order.pk}/lines/{item.pk}/deliveries")
    [told] = answer.json()["data"]
    assert (told["kind"], told["quantity"], told["carrier"]) == ("codes", 2, None)
    assert "SECRET" not in answer.content.decode()
    [line] = calls.every(f"/orders/{order.pk}/lines")
    assert (line["delivered"], line["refunded"]) == (2, 0)


def test_transactions_need_their_own_scope_also_inside_an_order(seat: AccountManager) -> None:
    order = paid(seat, (ProductFactory.create(), 1))
    calls = Calls(new_key(seat.company, scopes=["orders:read"]))
    assert calls.get(f"/orders/{order.pk}?expand=lines").status_code == 200
    assert calls.get(f"/orders/{order.pk}?expand=transactions").status_code == 403
