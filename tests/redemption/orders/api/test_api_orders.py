"""Orders placed over the API: one Idempotency-Key, one order, by the same checkout as the page."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from psycopg import sql

from accounts.access import once
from accounts.access.keys import rotate_key
from accounts.access.once import forget_old
from accounts.models import AccountManager, Company, KeyedApiCall, KnownBalance, Role
from accounts.tasks import clear_sessions
from inventory.models import Inventory
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.rates import Rate
from redemption.models import RecipientAsk, RedemptionOrder
from redemption.orders.api import placing
from redemption.states import OrderStatus, WaitsFor
from tests.accounts.access.making import new_key, owner_of
from tests.accounts.access.signing_in import signed_in
from tests.accounts.factories import CompanyFactory, SeatFactory
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.api.calls import Calls, answer_of, code, must_fit
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db
ADA = {
    "name": "Ada Byron", "email": "ada@northwind.example", "phone": "+4930123456",
    "address_line1": "Invalidenstr. 43", "city": "Berlin", "postcode": "10115", "country": "DE",
}  # fmt: skip


@pytest.fixture
def company() -> Company:
    return CompanyFactory.create()


@pytest.fixture
def calls(company: Company) -> Calls:
    return Calls(new_key(company))


def body(*wanted: tuple[str, int], points: int = 0, **more: Any) -> dict[str, Any]:
    lines = [{"sku": sku, "quantity": pieces, "recipient": ADA} for sku, pieces in wanted]
    return {"lines": lines, "expected_points": points, **more}


def post(calls: Calls, said: Any, key: str = "one") -> Any:
    return calls.call("post", "/orders", said, **({"Idempotency-Key": key} if key else {}))


def test_an_order_is_placed_once_however_often_it_is_sent(calls: Calls, company: Company) -> None:
    mug = ProductFactory.create(sku="MUG", points_cost=300, in_stock=9)
    said = body((mug.sku, 2), points=600, reference=" PO-7 ", note=" Ring twice. ")
    first = post(calls, said)
    assert first.status_code == 201, first.content
    told = first.json()
    assert must_fit(answer_of("placeOrder"), told) == []
    assert (told["status"], told["total_points"], told["reference"]) == ("PENDING", 600, "PO-7")
    assert told["note"] == "Ring twice."
    assert first["Location"].endswith(f"/api/v1/orders/{told['id']}")
    assert "Idempotent-Replayed" not in first
    again = post(calls, said)
    assert (again.status_code, again.content) == (201, first.content)
    assert (again["Location"], again["Idempotent-Replayed"]) == (first["Location"], "true")
    order = RedemptionOrder.objects.get()
    assert order.account_manager.user.is_machine
    assert order.items.get().recipient_name == "Ada Byron"
    assert order.transactions.get().points_amount == 600
    other = post(calls, body((mug.sku, 1), points=300))
    assert (other.status_code, code(other)) == (422, "idempotency_mismatch")
    assert post(calls, said, key="two").json()["id"] != told["id"]
    elsewhere = post(Calls(new_key(CompanyFactory.create())), said)
    assert elsewhere.json()["id"] != told["id"]


def test_without_a_key_nothing_is_ordered(calls: Calls) -> None:
    mug = ProductFactory.create()
    for key in ("", "x" * 256, "ä b"):
        answer = post(calls, body((mug.sku, 1), points=1000), key=key)
        assert (answer.status_code, code(answer)) == (400, "idempotency_key_missing")
    assert not RedemptionOrder.objects.exists()


def test_what_is_refused_is_not_kept_under_the_key(calls: Calls) -> None:
    mug = ProductFactory.create(sku="MUG", points_cost=300, in_stock=3)
    changed = post(calls, body(("MUG", 1), points=299))
    assert (changed.status_code, code(changed)) == (409, "points_changed")
    short = post(calls, body(("MUG", 4), points=1200))
    assert code(short) == "order_refused"
    assert "not enough" in short.json()["detail"]
    assert not KeyedApiCall.objects.exists()
    assert post(calls, body(("MUG", 1), points=300)).status_code == 201
    assert mug.sku == "MUG"


def test_an_order_beyond_the_limit_is_not_kept_under_its_key(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    said = body((mug.sku, 1), points=300)
    with monkeypatch.context() as few:
        # replaced: a limit that is reached with the second order
        few.setattr(placing, "ORDERS", Rate("few", most=1, burst=1))
        answers = [post(calls, said, key=key) for key in ("one", "two", "one")]
    assert [answer.status_code for answer in answers] == [201, 429, 201]
    assert int(answers[1]["Retry-After"]) >= 1
    assert answers[2].content == answers[0].content
    assert post(calls, said, key="two").status_code == 201


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"quantity": 0}, "/lines/0/quantity"),
        ({"quantity": "3"}, "/lines/0/quantity"),
        ({"quantity": True}, "/lines/0/quantity"),
        ({"quantity": 2**63}, "/lines/0/quantity"),
        ({"sku": "NONE"}, "/lines/0/sku"),
        ({"sku": "a\0"}, "/lines/0/sku"),
        ({"sku": "\ud800"}, "/lines/0/sku"),
        ({"colour": "red"}, "/lines/0/colour"),
        ({"recipient": {**ADA, "postcode": "1"}}, "/lines/0/recipient/postcode"),
        ({"recipient": {**ADA, "name": ""}}, "/lines/0/recipient/name"),
        ({"message": "see www.example.org"}, "/lines/0/message"),
        ({"send_on": "2026-13-01"}, "/lines/0/send_on"),
        ({"send_on": "2999-01-01"}, "/lines/0/send_on"),
        ({"recipient": None}, "/lines/0/recipient"),
        ({"send_on": 0}, "/lines/0/send_on"),
    ],
)
def test_a_mistake_in_a_line_is_pointed_at(
    change: dict[str, Any], pointer: str, calls: Calls
) -> None:
    mug = ProductFactory.create()
    said = body((mug.sku, 1), points=1000)
    said["lines"][0] |= change
    answer = post(calls, said)
    assert (answer.status_code, code(answer)) == (422, "invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not RedemptionOrder.objects.exists()


def test_a_text_that_is_too_long_is_told_in_characters(calls: Calls) -> None:
    answer = post(calls, {**body(("A", 1), points=0), "reference": "a" * 101})
    [error] = answer.json()["errors"]
    assert error["pointer"] == "/reference"
    assert (error["code"], error["detail"]) == (
        "string_too_long",
        "This has more than 100 characters.",
    )


def test_an_order_has_one_to_five_hundred_lines(calls: Calls) -> None:
    for lines in (body()["lines"], body(("A", 1))["lines"] * 501):
        answer = post(calls, {"lines": lines, "expected_points": 0})
        assert answer.json()["errors"][0]["pointer"] == "/lines"


def test_a_viewers_key_orders_nothing_and_a_threshold_holds_for_keys() -> None:
    company = CompanyFactory.create(approval_threshold=500)
    mug = ProductFactory.create(points_cost=600, in_stock=9)
    said = body((mug.sku, 1), points=600)
    viewer = post(Calls(new_key(company, role=Role.VIEWER)), said)
    assert (viewer.status_code, code(viewer)) == (403, "role_forbids")
    reads = Calls(new_key(company, scopes=["orders:read"]))
    assert code(post(reads, said)) == "insufficient_scope"
    told = post(Calls(new_key(company)), said).json()
    assert told["status"] == OrderStatus.AWAITING_APPROVAL
    order = RedemptionOrder.objects.get()
    assert datetime.fromisoformat(told["approve_by"]) == order.approve_by
    assert told["approve_by"].endswith("Z")


def test_a_preview_tells_what_stands_in_the_way_and_reserves_nothing() -> None:
    company = CompanyFactory.create(balance=2_000, approval_threshold=900)
    calls = Calls(new_key(company))
    mug = ProductFactory.create(points_cost=300, in_stock=3)
    gift = ProductFactory.create(virtual=True, points_cost=100)
    lines = body((mug.sku, 2), (mug.sku, 2), (gift.sku, 1))["lines"]
    known = KnownBalance.objects.values().get(company=company)
    told = calls.call("post", "/order-previews", {"lines": lines}).json()
    assert must_fit(answer_of("previewOrder"), told) == []
    assert (told["total_points"], told["spendable"]) == (1300, 2000)
    assert told["needs_approval"] is True
    assert [line["trouble"] for line in told["lines"]] == ["out_of_stock", "out_of_stock", None]
    assert told["lines"][0]["detail"] == "Only 3 are left; 4 are wanted."
    assert told["held"] is None
    [notice] = told["notices"]
    assert notice["code"] == "same_person"
    assert notice["detail"].endswith(f"gets “{mug.name}” in rows 1 and 2.")
    assert mug.inventory.quantity_reserved == 0
    assert KnownBalance.objects.values().get(company=company) == known  # nobody was asked


def test_each_line_has_its_own_recipient_message_and_day(calls: Calls) -> None:
    gift = ProductFactory.create(virtual=True, points_cost=100)
    lines: list[dict[str, Any]] = [
        {"sku": gift.sku, "quantity": 1, "recipient": {"name": "Ada", "email": "ada@b.example"}},
        {
            "sku": gift.sku, "quantity": 2, "message": "Thank you!",
            "recipient": {"name": "Bo", "email": "bo@b.example"},
            "send_on": str(timezone.now().date() + timedelta(days=9)),
        },
    ]  # fmt: skip
    answer = post(calls, {"lines": lines, "expected_points": 300})
    assert answer.status_code == 201, answer.content
    ada, bo = RedemptionOrder.objects.get().items.order_by("id")
    assert (ada.recipient_name, ada.quantity, ada.message, ada.waits_for) == ("Ada", 1, "", "")
    assert (bo.recipient_name, bo.quantity, bo.message) == ("Bo", 2, "Thank you!")
    assert bo.waits_for == WaitsFor.DATE
    told = calls.every(f"/orders/{answer.json()['id']}/lines")
    assert [line["message"] for line in told] == [None, "Thank you!"]
    assert [line["recipient"]["email"] for line in told] == ["ada@b.example", "bo@b.example"]


def test_a_recipient_is_asked_where_to_send_it(calls: Calls) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=3)
    line = {
        "sku": mug.sku, "quantity": 1, "message": "Thank you!", "ask_recipient": True,
        "recipient": {"name": "Ada", "email": "ada@b.example"},
    }  # fmt: skip
    answer = post(calls, {"lines": [line], "expected_points": 300})
    assert answer.status_code == 201, answer.content
    item = RedemptionOrder.objects.get().items.get()
    assert (item.waits_for, item.recipient_name) == (WaitsFor.RECIPIENT, "Ada")
    assert RecipientAsk.objects.get().email == "ada@b.example"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"ask_recipient": "yes"}, "/lines/0/ask_recipient"),
        ({"ask_recipient": 1}, "/lines/0/ask_recipient"),
        ({"recipient": {"name": "Ada"}}, "/lines/0/recipient/email"),
        ({"recipient": ADA}, "/lines/0/recipient/phone"),
        ({"send_on": "2999-01-01"}, "/lines/0/send_on"),
    ],
)
def test_who_is_asked_has_a_name_and_an_email_address_alone(
    change: dict[str, Any], pointer: str, calls: Calls
) -> None:
    mug = ProductFactory.create()
    said = body((mug.sku, 1), points=1000)
    asked = {"ask_recipient": True, "recipient": {"name": "Ada", "email": "ada@b.example"}}
    said["lines"][0] |= {**asked, **change}
    answer = post(calls, said)
    assert (answer.status_code, code(answer)) == (422, "invalid")
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert not RedemptionOrder.objects.exists()


def test_five_hundred_lines_are_one_order(calls: Calls) -> None:
    gift = ProductFactory.create(virtual=True, points_cost=2)
    line = {"sku": gift.sku, "quantity": 1}
    people = [{"name": f"P {n}", "email": f"p{n}@b.example"} for n in range(500)]
    lines = [{**line, "recipient": who} for who in people]
    answer = post(calls, {"lines": lines, "expected_points": 1000})
    assert answer.status_code == 201, answer.content
    assert RedemptionOrder.objects.get().items.count() == 500


def test_an_order_is_cancelled_once_and_a_repeated_call_says_the_same() -> None:
    calls = Calls(new_key(CompanyFactory.create(approval_threshold=100)))
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    order = post(calls, body((mug.sku, 1), points=300)).json()
    path = f"/orders/{order['order_number']}/cancel"
    said = {"Idempotency-Key": "cancel"}
    first = calls.call("post", path, {"reason": "Ordered twice"}, **said)
    assert (first.status_code, first.json()["status"]) == (200, OrderStatus.REJECTED)
    told = calls.get(f"/orders/{order['id']}").json()  # who ended it, as people read it too
    assert (told["withdrawn"], told["decided_by"], told["decision_reason"]) == (
        True, order["placed_by"], "Ordered twice",
    )  # fmt: skip
    assert (order["withdrawn"], order["decided_by"], order["decision_reason"]) == (
        False, None, None,
    )  # fmt: skip
    again = calls.call("post", path, {"reason": "Ordered twice"}, **said)
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    other = calls.call("post", path, {}, **{"Idempotency-Key": "more"})
    assert (other.status_code, code(other)) == (409, "order_refused")
    elsewhere = f"/orders/{uuid4()}/cancel"
    mixed = calls.call("post", elsewhere, {"reason": "Ordered twice"}, **said)
    assert code(mixed) == "idempotency_mismatch"
    assert code(calls.call("post", elsewhere, {}, **{"Idempotency-Key": "no"})) == "not_found"
    stranger = Calls(new_key(CompanyFactory.create()))
    assert code(stranger.call("post", path, {}, **{"Idempotency-Key": "no"})) == "not_found"


def test_an_order_is_cancelled_by_who_placed_it_or_by_a_person_who_approves(
    calls: Calls, company: Company
) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    order = post(calls, body((mug.sku, 1), points=300)).json()
    people = {
        role: signed_in(SeatFactory.create(company=company, role=role).user).calls
        for role in (Role.BUYER, Role.APPROVER)
    }

    def cancelled_by(who: Calls) -> Any:
        return who.call("post", f"/orders/{order['id']}/cancel", {}, **{"Idempotency-Key": "a"})

    others = [Calls(new_key(company)), Calls(new_key(company, role=Role.OWNER))]
    for who in (*others, people[Role.BUYER]):
        answer = cancelled_by(who)
        assert (answer.status_code, code(answer)) == (403, "order_forbids")
    assert RedemptionOrder.objects.get().status == OrderStatus.PENDING
    assert cancelled_by(people[Role.APPROVER]).status_code == 200


def test_the_work_and_the_answer_of_a_cancellation_are_committed_as_one(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    order = post(calls, body((mug.sku, 1), points=300)).json()

    def die(_result: Any) -> Any:
        raise RuntimeError

    path, said = f"/orders/{order['id']}/cancel", {"Idempotency-Key": "cancel"}
    with monkeypatch.context() as broken:
        # replaced: the process dies between the work and its answer
        broken.setattr(once, "result_response", die)
        assert code(calls.call("post", path, {}, **said)) == "internal"
    assert RedemptionOrder.objects.get().status == OrderStatus.PENDING
    done = calls.call("post", path, {}, **said)
    assert (done.status_code, done.json()["status"]) == (200, OrderStatus.CANCELLING)


@pytest.mark.parametrize("act", ["approve", "reject"])
def test_a_key_never_decides_on_an_order(act: str) -> None:
    company = CompanyFactory.create(approval_threshold=100)
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    order = post(Calls(new_key(company)), body((mug.sku, 1), points=300)).json()
    owners = Calls(new_key(company, role=Role.OWNER))
    sent = {"reason": "No"} if act == "reject" else None
    answer = owners.call("post", f"/orders/{order['id']}/{act}", sent, **{"Idempotency-Key": "a"})
    assert (answer.status_code, code(answer)) == (403, "role_forbids")
    assert RedemptionOrder.objects.get().status == OrderStatus.AWAITING_APPROVAL


def test_nothing_is_ordered_while_the_portal_is_paused(calls: Calls, settings: Any) -> None:
    settings.PORTAL_PAUSED = True
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    answer = post(calls, body((mug.sku, 1), points=300))
    assert (answer.status_code, code(answer)) == (503, "order_held")
    assert answer["Retry-After"] == "60"


@contextmanager
def held(table: str) -> Iterator[None]:
    """Somebody holds all rows of the table for longer than calls wait."""
    with (
        psycopg.connect(**connection.get_connection_params()) as holder,
        connection.cursor() as ours,
    ):
        holder.execute(sql.SQL("SELECT FROM {} FOR UPDATE").format(sql.Identifier(table)))
        ours.execute("SET lock_timeout = '50ms'")
        yield
        ours.execute("SET lock_timeout = '5s'")
        holder.rollback()


@pytest.mark.django_db(transaction=True)
def test_an_order_whose_products_others_take_at_this_moment_is_placed_by_the_same_call_later(
    calls: Calls,
) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    with held("inventory"):
        answer = post(calls, body((mug.sku, 1), points=300), key="one")
    assert (answer.status_code, code(answer)) == (503, "order_too_busy")
    assert answer["Retry-After"] == "5"
    assert not RedemptionOrder.objects.exists()
    assert post(calls, body((mug.sku, 1), points=300), key="one").status_code == 201
    assert RedemptionOrder.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_order_that_others_change_at_this_moment_is_cancelled_by_the_same_call_later(
    calls: Calls,
) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    order = post(calls, body((mug.sku, 1), points=300)).json()
    address, key = f"/orders/{order['id']}/cancel", {"Idempotency-Key": "no-more"}
    with held("redemption_order"):
        answer = calls.call("post", address, {"reason": ""}, **key)
    assert (answer.status_code, code(answer)) == (503, "order_too_busy")
    assert answer["Retry-After"] == "5"
    assert RedemptionOrder.objects.get().status == OrderStatus.PENDING
    assert calls.call("post", address, {"reason": ""}, **key).status_code == 200
    assert RedemptionOrder.objects.get().status == OrderStatus.CANCELLING


@pytest.mark.django_db(transaction=True)
def test_a_call_ends_as_it_began_when_its_company_is_switched_off_meanwhile(
    calls: Calls, company: Company
) -> None:
    """It was right when it was sent, so its order is placed and told. The next call is refused."""
    mug = ProductFactory.create(points_cost=300, in_stock=9)

    def send() -> Any:
        try:
            return post(calls, body((mug.sku, 1), points=300))
        finally:
            connection.close()

    watcher = connection.copy()
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    def waits() -> bool:
        with watcher.cursor() as cursor:
            cursor.execute(waiting)
            return bool(cursor.fetchone()[0])

    with ThreadPoolExecutor(1) as sender, closing(watcher):
        with transaction.atomic():
            Inventory.objects.select_for_update().get(product=mug)
            answer = sender.submit(send)
            eventually(waits, "the call waits for the pieces")
            Company.objects.filter(pk=company.pk).update(is_active=False)
        first = answer.result()
    assert first.status_code == 201, first.content
    assert RedemptionOrder.objects.get().company == company
    again = post(calls, body((mug.sku, 1), points=300), key="two")
    assert (again.status_code, RedemptionOrder.objects.count()) == (401, 1)


def test_a_call_to_an_unknown_order_is_not_kept_and_frees_its_key(calls: Calls) -> None:
    path, key = f"/orders/{uuid4()}/cancel", {"Idempotency-Key": "one"}
    unknown = calls.call("post", path, {}, **key)
    assert (unknown.status_code, code(unknown)) == (404, "not_found")
    assert not KeyedApiCall.objects.exists()
    assert calls.call("post", path, {"reason": "Too late"}, **key).status_code == 404


def test_a_key_is_remembered_for_ever_for_what_it_made(calls: Calls) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    said = body((mug.sku, 1), points=300)
    first = post(calls, said).json()
    KeyedApiCall.objects.update(created_at="2020-01-01T00:00Z")
    forget_old()
    retold = post(calls, said)
    assert (retold.json()["id"], retold["Idempotent-Replayed"]) == (first["id"], "true")
    assert code(post(calls, body((mug.sku, 2), points=600))) == "idempotency_mismatch"
    assert RedemptionOrder.objects.count() == 1


def test_the_key_of_a_call_that_made_no_order_is_remembered_for_seven_days(calls: Calls) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    order = post(calls, body((mug.sku, 1), points=300)).json()
    path, key = f"/orders/{order['id']}/cancel", {"Idempotency-Key": "cancel"}
    first = calls.call("post", path, {}, **key)
    kept = KeyedApiCall.objects.filter(made=None)
    kept.update(created_at=timezone.now() - timedelta(days=7) + timedelta(hours=1))
    clear_sessions()
    again = calls.call("post", path, {}, **key)
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    kept.update(created_at=timezone.now() - timedelta(days=7, hours=1))
    clear_sessions()
    assert not kept.exists()
    assert KeyedApiCall.objects.filter(made=order["id"]).exists()


def test_calls_belong_to_the_seat_so_a_successor_repeats_them_and_another_key_does_not(
    company: Company,
) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    said, old = body((mug.sku, 1), points=300), new_key(company)
    first = post(Calls(old), said)
    successor = rotate_key(key=old.key, by=Actor.in_seat(owner_of(company)))
    again = post(Calls(successor), said)
    assert (again.content, again["Idempotent-Replayed"]) == (first.content, "true")
    other = post(Calls(new_key(company)), said)
    assert other.status_code == 201
    assert other.json()["id"] != first.json()["id"]


def test_a_call_whose_process_died_is_done_by_the_next_and_makes_one_order(calls: Calls) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=9)
    said = body((mug.sku, 1), points=300)
    first = post(calls, said).json()
    running = {"status": None, "answer": "", "made": None}
    KeyedApiCall.objects.update(**running, lease_until=Now() + timedelta(hours=1))
    busy = post(calls, said)
    assert (busy.status_code, code(busy)) == (409, "idempotency_in_progress")
    assert 3_000 < int(busy["Retry-After"]) <= 3_600  # what is left, then it can be taken over
    KeyedApiCall.objects.update(**running, lease_until="2020-01-01T00:00Z")
    assert post(calls, said).json()["id"] == first["id"]
    assert RedemptionOrder.objects.count() == 1


def many_at_once(secret: str, said: Any, count: int) -> list[Any]:
    """So many calls with one key at the same moment, each with a connection of its own."""
    start = Barrier(count)

    def send(_number: int) -> Any:
        calls = Calls(secret)
        try:
            start.wait()
            return post(calls, said)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as senders:
        return list(senders.map(send, range(count)))


@pytest.mark.django_db(transaction=True)
def test_fifty_calls_with_one_key_at_once_make_one_order(calls: Calls) -> None:
    mug = ProductFactory.create(points_cost=300, in_stock=90)
    said = body((mug.sku, 1), points=300)
    answers = many_at_once(calls.secret, said, 50)
    order = RedemptionOrder.objects.get()
    assert {answer.status_code for answer in answers} <= {201, 409}
    refused = [answer for answer in answers if answer.status_code == 409]
    assert {code(answer) for answer in refused} <= {"idempotency_in_progress"}
    assert all(answer["Retry-After"] for answer in refused)
    first = {answer.content for answer in answers if answer.status_code == 201}
    assert len(first) == 1
    after = many_at_once(calls.secret, said, 50)
    assert {(answer.status_code, answer.content) for answer in after} == {(201, *first)}
    assert after[0].json()["id"] == str(order.pk)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("off", "orders"), [(["token"], 1), (["row"], 1), (["row", "token"], 12)], ids=str
)
def test_the_row_and_the_token_each_hold_alone_and_without_both_there_are_many_orders(
    off: list[str], orders: int, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    if "token" in off:
        # replaced: the token that is the same for each try
        monkeypatch.setattr("accounts.access.once.uuid.uuid5", lambda *_given: uuid4())
    if "row" in off:
        # replaced: what finds the row of the first call
        monkeypatch.setattr(once, "_hash", lambda _text: uuid4().hex)
    mug = ProductFactory.create(points_cost=300, in_stock=90)
    answers = many_at_once(calls.secret, body((mug.sku, 1), points=300), 12)
    assert any(answer.status_code == 201 for answer in answers)
    assert RedemptionOrder.objects.count() == orders


def test_an_order_over_a_limit_is_refused_and_a_preview_tells_what_is_left(
    calls: Calls, company: Company
) -> None:
    AccountManager.objects.filter(user__is_machine=True).update(monthly_limit=700)
    Company.objects.filter(pk=company.pk).update(quarterly_budget=5_000)
    mug = ProductFactory.create(sku="MUG", points_cost=300, in_stock=9)
    assert post(calls, body((mug.sku, 1), points=300)).status_code == 201
    told = calls.call("post", "/order-previews", {"lines": body((mug.sku, 2))["lines"]}).json()
    assert must_fit(answer_of("previewOrder"), told) == []
    found = [(each["of"], each["limit"], each["left"]) for each in told["limits"]]
    assert found == [("seat", 700, 400), ("company", 5_000, 4_700)]
    refused = post(calls, body((mug.sku, 2), points=600), key="two")
    assert (refused.status_code, code(refused)) == (409, "over_limit")
    assert "400 of 700 points are left. It renews on" in refused.json()["detail"]
    assert RedemptionOrder.objects.count() == 1
    AccountManager.objects.filter(user__is_machine=True).update(monthly_limit=None)
    assert post(calls, body((mug.sku, 2), points=600), key="three").status_code == 201
