"""Callbacks are verified, stored once, answered and then processed, in any order."""

import json
import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from standardwebhooks import Webhook

from fulfillment import partner
from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.virtual import saga as virtual
from redemption.models import Callback, CallbackState, Incident, RedemptionOrder
from redemption.saga import webhooks
from redemption.saga.inbox import process
from redemption.saga.transactions import settle_transaction
from redemption.states import OrderStatus
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "/webhooks/fulfillment/"


def body(
    fulfillment: Fulfillment | str,
    status: str,
    *,
    codes: int = 0,
    reason: str | None = None,
    partner_id: str = "F-1",
) -> bytes:
    reference = str(fulfillment.pk) if isinstance(fulfillment, Fulfillment) else fulfillment
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    data: dict[str, Any] = {
        "fulfillment_id": partner_id,
        "reference": reference,
        "status": status,
        "updated_at": now,
    }
    if codes:
        data["deliverables"] = [
            {"code": f"CODE-{reference[-6:]}-{n}", "pin": "1234"} for n in range(codes)
        ]
    if reason:
        data["reason"] = reason
    return json.dumps({"type": f"fulfillment.{status}", "timestamp": now, "data": data}).encode()


def signed(raw: bytes, *, webhook_id: str = "", age: timedelta = timedelta()) -> Mapping[str, str]:
    webhook_id = webhook_id or f"msg_{uuid.uuid4()}"
    when = datetime.now(UTC) - age
    signature = Webhook(django_settings.FULFILLMENT_WEBHOOK_SECRETS[0]).sign(
        webhook_id, when, raw.decode()
    )
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": signature,
    }


def send(raw: bytes, headers: Mapping[str, str] | None = None) -> Any:
    return Client().post(
        ADDRESS,
        data=raw,
        content_type="application/json",
        headers=dict(signed(raw) if headers is None else headers),
    )


def work_inbox() -> None:
    for callback in Callback.objects.order_by("received_at"):
        process(callback.pk)


def ask_the_partner() -> None:
    """Poll deliveries that are due, as the sweeper does."""
    for key in Fulfillment.objects.due_ids(100):
        virtual.poll(key)


def ended(world: World, order: RedemptionOrder, status: str, codes: int | None = None) -> bytes:
    """End the delivery at the partner, even if it has ended. Returns its true callback."""
    return ended_parcel(world, world.fulfillment(order), status, codes)


def ended_parcel(world: World, parcel: Fulfillment, status: str, codes: int | None = None) -> bytes:
    """End one line's delivery at the partner, as `ended` does."""
    wish = {"reference": str(parcel.pk), "status": status, "anew": True}
    truth = world.partners.control(
        "POST", "/decide", wish if codes is None else wish | {"codes": codes}
    )
    news = {"type": f"fulfillment.{status}", "timestamp": truth["updated_at"], "data": truth}
    return json.dumps(news).encode()


def codes_of(raw: bytes) -> list[dict[str, str]]:
    units: list[dict[str, str]] = json.loads(raw)["data"]["deliverables"]
    return units


def status_of(order: RedemptionOrder) -> str:
    return RedemptionOrder.objects.get(pk=order.pk).status


def test_a_delivered_callback_makes_the_partner_be_asked_and_its_answer_completes_the_order(
    world: World, waiting: RedemptionOrder
) -> None:
    assert send(ended(world, waiting, "delivered")).status_code == 204
    work_inbox()
    assert status_of(waiting) == OrderStatus.IN_FULFILLMENT  # a callback settles nothing by itself
    assert VirtualCode.objects.count() == 0
    ask_the_partner()  # due at once, although polls have not begun
    assert status_of(waiting) == OrderStatus.COMPLETED
    assert VirtualCode.objects.count() == 2


def test_codes_are_not_readable_in_the_database(world: World, waiting: RedemptionOrder) -> None:
    raw = ended(world, waiting, "delivered")
    unit = json.loads(raw)["data"]["deliverables"][0]
    send(raw)
    work_inbox()
    hints = json.dumps(world.fulfillment(waiting).hints)
    ask_the_partner()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code || pin FROM fulfillment_virtualcode UNION ALL SELECT body FROM redemption_callback"
        )
        stored = "".join([hints, *(row[0] for row in cursor.fetchall())])
    assert unit["code"] not in stored
    assert unit["url"] not in stored
    assert unit["code"] in {code.code for code in VirtualCode.objects.all()}


def test_the_same_callback_twice_counts_once(world: World, waiting: RedemptionOrder) -> None:
    raw = ended(world, waiting, "delivered")
    headers = signed(raw)
    assert [send(raw, headers).status_code for _ in range(3)] == [204, 204, 204]
    assert Callback.objects.count() == 1
    assert send(raw).status_code == 204  # the same news with a new id
    work_inbox()
    ask_the_partner()
    assert VirtualCode.objects.count() == 2
    assert status_of(waiting) == OrderStatus.COMPLETED


def test_a_failed_callback_that_the_partner_confirms_gives_the_points_back(
    world: World, waiting: RedemptionOrder
) -> None:
    send(ended(world, waiting, "failed"))
    work_inbox()
    assert world.credits(waiting) == []
    ask_the_partner()
    settle_transaction(world.credits(waiting)[0].pk)
    assert status_of(waiting) == OrderStatus.CANCELLED
    assert world.ledger(waiting) == (1_000, 1_000)


def test_old_news_after_new_changes_nothing(world: World, waiting: RedemptionOrder) -> None:
    send(ended(world, waiting, "delivered"))
    held = world.fulfillment(waiting)
    send(body(held, "processing", partner_id=held.partner_id))
    work_inbox()
    ask_the_partner()
    send(body(held, "processing", partner_id=held.partner_id))
    work_inbox()
    assert status_of(waiting) == OrderStatus.COMPLETED
    assert world.fulfillment(waiting).next_attempt_at is None
    assert not Incident.objects.exists()


@pytest.mark.parametrize("codes", [1, 3])
def test_fewer_or_more_codes_than_asked_are_not_a_delivery(
    world: World, waiting: RedemptionOrder, codes: int
) -> None:
    held = world.fulfillment(waiting)
    send(body(held, "delivered", codes=codes, partner_id=held.partner_id))
    work_inbox()
    ask_the_partner()
    assert status_of(waiting) == OrderStatus.IN_FULFILLMENT
    assert VirtualCode.objects.count() == 0


def test_an_unknown_reference_is_parked_and_found_later(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    order = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(order).pk)
    held = world.fulfillment(order)
    reference = str(held.pk)
    Fulfillment.objects.filter(pk=held.pk).update(channel="DESK")  # as if it did not exist yet
    partner.send_request(PartnerCall.objects.get().body.encode(), "early")
    raw = ended(world, order, "delivered")
    assert json.loads(raw)["data"]["reference"] == reference
    assert send(raw).status_code == 204
    work_inbox()
    assert Callback.objects.get().state == CallbackState.PARKED
    Fulfillment.objects.filter(pk=held.pk).update(channel="PARTNER")
    Callback.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    work_inbox()
    assert Callback.objects.get().state == CallbackState.PROCESSED
    ask_the_partner()
    assert status_of(order) == OrderStatus.COMPLETED


def test_a_reference_that_never_becomes_known_ends_as_puzzling(world: World) -> None:
    send(body("not-ours", "delivered", codes=1))
    for _ in range(12):
        Callback.objects.update(next_attempt_at="2020-01-01T00:00:00Z")
        work_inbox()
    callback = Callback.objects.get()
    assert callback.state == CallbackState.PUZZLING
    assert callback.next_attempt_at is None


def test_a_callback_ahead_of_the_partners_own_answer_counts(world: World) -> None:
    world.partners.dial(mode="accept", delay=3600)
    order = world.place((world.virtual(points=500), 1))
    settle_transaction(world.debit(order).pk)
    world.partners.fault("fulfill", "reset_after", times=10)
    virtual.ask(PartnerCall.objects.get().pk)
    send(ended(world, order, "delivered"))
    work_inbox()
    ask_the_partner()  # by our reference: the partner's id is not known yet
    assert status_of(order) == OrderStatus.COMPLETED


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"webhook-id": "m", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}, 401),
        ({"webhook-id": "m", "webhook-timestamp": "abc", "webhook-signature": "nonsense"}, 401),
    ],
)
def test_a_forged_callback_is_refused(world: World, headers: dict[str, str], status: int) -> None:
    assert send(body("x", "delivered", codes=1), headers).status_code == status
    assert Callback.objects.count() == 0


def test_a_stale_callback_is_refused(world: World) -> None:
    raw = body("x", "delivered", codes=1)
    assert send(raw, signed(raw, age=timedelta(minutes=6))).status_code == 401
    assert Callback.objects.count() == 0


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"type": "fulfillment.delivered"}', b"[" * 100_000])
def test_what_is_not_this_schema_is_refused_with_400(world: World, raw: bytes) -> None:
    assert send(raw, signed(raw)).status_code == 400
    assert Callback.objects.count() == 0


@pytest.mark.parametrize(("length", "status"), [(255, 204), (256, 400), (5_000, 400)])
def test_a_webhook_id_is_as_long_as_the_inbox_can_hold(
    world: World, length: int, status: int
) -> None:
    raw = body("not-ours", "processing")
    answer = send(raw, signed(raw, webhook_id="m" * length))
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["title"] == "The webhook-id is longer than 255 characters."
    assert Callback.objects.count() == (status == 204)


def test_a_body_over_256_kib_is_refused_before_it_is_verified(world: World) -> None:
    assert send(b"a" * (256 * 1024 + 1), {}).status_code == 413
    assert send(b"a" * (256 * 1024), {}).status_code == 401


def test_a_body_of_no_known_length_is_refused() -> None:
    answer = Client().post(ADDRESS, b"{}", content_type="application/json", CONTENT_LENGTH="many")
    assert answer.status_code == 413


def test_a_flood_of_forgeries_asks_the_database_nothing_and_is_one_line_in_the_log(
    django_assert_num_queries: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # replaced: the count of this process, which other tests have raised
    monkeypatch.setattr(webhooks, "_strangers", webhooks._Strangers())
    forged = signed(b"something else")
    with django_assert_num_queries(0):
        for _ in range(50):
            assert send(body("x", "delivered", codes=1), forged).status_code == 401
            assert send(b"x" * (webhooks.LARGEST + 1), forged).status_code == 413
    assert len(warnings(caplog)) == 1  # beside the line that each request has
    caplog.clear()
    webhooks._strangers.quiet_until = 0.0  # as if the minute were over
    send(b"{}", {})
    assert [vars(record)["n"] for record in warnings(caplog)] == [100]


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_only_post_is_answered(world: World) -> None:
    assert Client().get(ADDRESS).status_code == 405
