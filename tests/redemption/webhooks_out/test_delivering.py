"""A change arrives at each endpoint that wants it, at least once and under one id."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.models import F
from django.utils import timezone
from standardwebhooks.webhooks import WebhookVerificationError

from accounts.models import Company, PersonLetter, Role
from loyalty_portal import outbound_http
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.feed.services import publish_all
from redemption.models import EndpointState, WebhookDelivery, WebhookEndpoint
from redemption.models.webhooks_out import AT_ONCE, AT_ONCE_OF_COMPANY, DeliveryQuerySet
from redemption.saga.queues import queues
from redemption.webhooks_out import delivering
from redemption.webhooks_out.delivering import RETRIES, forget_pings, send_delivery
from redemption.webhooks_out.services import (
    EndpointRefusedError,
    add_endpoint,
    change_endpoint,
    ping,
    remove_endpoint,
    replay,
    rotate_secret,
)
from tests.accounts.access.making import new_key
from tests.loyalty_portal.partners.raw_partner import reply, reset
from tests.redemption.webhooks_out.receiver import (
    OK,
    Receiver,
    deliver,
    is_signed,
    make_deliveries_due,
    owner_of,
)
from tests.redemption.world import World
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)
FAILS = reply(500)
Waiting = Iterator[threading.Event]


def only() -> WebhookDelivery:
    return WebhookDelivery.objects.select_related("endpoint", "change").get()


def test_an_order_is_told_to_an_endpoint_signed_and_thin(world: World) -> None:
    with Receiver(OK).connect(world) as receiver:
        order = world.place((world.product(), 1))
        assert deliver() == 1
    request, body = receiver.requests[0], receiver.bodies[0]
    assert is_signed(request, receiver.secret)
    assert body["type"] == "order.placed"
    assert body["timestamp"].endswith("Z")
    assert body["sequence"] == 1
    assert body["data"]["order_id"] == str(order.pk)
    assert set(body["data"]) == {"order_id", "order_number", "status", "url"}
    (tried,) = only().tries
    assert (tried["status_code"], tried["error"]) == (204, "")
    assert only().delivered_at is not None
    assert deliver() == 0


def test_each_endpoint_gets_its_events_only_and_of_its_company_only(world: World) -> None:
    with (
        Receiver(OK).connect(world) as all_of_them,
        Receiver(OK).connect(world, events=["order.shipped"]) as shipped,
    ):
        stranger = world.new_company(points=1_000)
        world.place((world.product(), 1))
        world.place((world.product(points=5), 1), seat=world.new_seat("buyer", stranger))
        deliver()
    assert all_of_them.types == ["order.placed"]
    assert shipped.types == []


def test_what_fails_is_sent_again_later_under_the_same_id(world: World) -> None:
    moved = reply(302, headers=("Location: /inside",))
    with Receiver(FAILS, reset, moved, OK).connect(world) as receiver:
        world.place((world.product(), 1))
        deliver()
        first = only()
        assert receiver.now().state == EndpointState.FAILING
        assert first.next_attempt_at is not None
        wait = (first.next_attempt_at - timezone.now()).total_seconds()
        assert 0 < wait <= RETRIES[0] * 1.2
        assert deliver() == 0  # not due
        for _again in range(3):
            make_deliveries_due()
            deliver()
    assert len(set(receiver.ids())) == 1
    assert [each["status_code"] for each in only().tries] == [500, None, 302, 204]
    assert [each["error"] for each in only().tries] == ["", "connection", "", ""]
    assert receiver.now().state == EndpointState.ACTIVE


def test_after_eight_tries_a_delivery_is_given_up(world: World) -> None:
    waits = []
    with Receiver(FAILS).connect(world):
        world.place((world.product(), 1))
        for _try in range(len(RETRIES) + 3):
            deliver()
            if due := only().next_attempt_at:
                waits.append((due - timezone.now()).total_seconds())
            make_deliveries_due()
    assert len(only().tries) == len(RETRIES) + 1
    for wait, told in zip(waits, RETRIES, strict=True):
        assert told - 60 < wait <= told * 1.2
    assert (only().next_attempt_at, only().delivered_at) == (None, None)


def test_the_wait_that_a_receiver_asks_for_is_kept(world: World) -> None:
    with Receiver(reply(429, headers=("Retry-After: 1800",))).connect(world):
        world.place((world.product(), 1))
        deliver()
    due = only().next_attempt_at
    assert due is not None
    assert timedelta(minutes=29) < due - timezone.now() <= timedelta(minutes=30)


def test_gone_disables_at_once_and_the_other_endpoints_and_the_owners_are_told(
    world: World,
) -> None:
    with (
        Receiver(reply(410)).connect(world) as gone,
        Receiver(OK).connect(world) as other,
    ):
        new_key(world.company, role=Role.OWNER)  # its machine has no mailbox
        world.place((world.product(), 1))
        world.place((world.product(), 1))
        deliver()
        deliver()
    assert gone.now().state == EndpointState.DISABLED
    assert len(gone.requests) <= 2
    assert other.types[-1] == "endpoint.disabled"
    assert other.bodies[-1]["data"]["endpoint_id"] == str(gone.endpoint.pk)
    letter = PersonLetter.objects.get(facts__change="gone")
    assert letter.to == owner_of(world).user.email  # type: ignore[union-attr]


def fail_for(receiver: Receiver, world: World, span: timedelta) -> None:
    """Let the endpoint's first failure be so long ago, and one more call fail."""
    rows = WebhookEndpoint.objects.filter(pk=receiver.endpoint.pk)
    rows.update(failing_since=timezone.now() - span)
    world.place((world.product(), 1))
    deliver()


def test_owners_are_told_after_a_day_and_after_five_days_nothing_more_is_sent(
    world: World,
) -> None:
    with Receiver(FAILS).connect(world) as receiver:
        fail_for(receiver, world, timedelta(hours=23))
        assert not PersonLetter.objects.filter(kind="endpoint").exists()
        fail_for(receiver, world, timedelta(days=1, minutes=1))
        fail_for(receiver, world, timedelta(days=4, hours=23))
        assert [
            letter.facts["change"] for letter in PersonLetter.objects.filter(kind="endpoint")
        ] == ["failing"]
        fail_for(receiver, world, timedelta(days=5, minutes=1))
        tried = len(receiver.requests)
        world.place((world.product(), 1))
        make_deliveries_due()
        deliver()
        assert len(receiver.requests) == tried
    assert receiver.now().disabled_why == "stopped"
    assert PersonLetter.objects.filter(facts__change="stopped").count() == 1


def test_what_was_missed_is_sent_again_after_a_ping_that_arrived(world: World) -> None:
    began = timezone.now()
    with Receiver(reply(410), FAILS, OK).connect(world) as receiver:
        world.place((world.product(), 1))
        deliver()
        world.place((world.product(), 1))  # while it is disabled
        publish_all()
        by = owner_of(world)
        with pytest.raises(EndpointRefusedError):
            replay(receiver.endpoint.pk, since=began, by=by)
        ping(receiver.endpoint.pk, by=by)
        assert ping(receiver.endpoint.pk, by=by) == WebhookDelivery.objects.get(change=None)
        deliver()  # fails
        assert receiver.now().state == EndpointState.DISABLED
        ping(receiver.endpoint.pk, by=by)
        deliver()
        assert receiver.now().state == EndpointState.ACTIVE
        out = StringIO()
        call_command(
            "replay_webhooks", str(receiver.endpoint.pk), "--since", began.isoformat(), stdout=out
        )
        assert "2 deliveries" in out.getvalue()
        assert replay(receiver.endpoint.pk, since=began, by=by) == 0  # they are due already
        deliver()
        assert replay(receiver.endpoint.pk, since=began, by=by) == 0
    assert receiver.types == [
        "order.placed",
        "endpoint.ping",
        "endpoint.ping",
        "order.placed",
        "order.placed",
    ]
    assert len(set(receiver.ids())) == 4  # the first order's is the same both times


def test_a_rotated_secret_signs_beside_the_former_one_for_a_day(world: World) -> None:
    with Receiver(OK).connect(world) as receiver:
        fresh = rotate_secret(receiver.endpoint.pk, by=owner_of(world)).secret
        world.place((world.product(), 1))
        deliver()
        assert is_signed(receiver.requests[0], receiver.secret)
        assert is_signed(receiver.requests[0], fresh)
        until = receiver.now().former_until
        assert until is not None
        assert timedelta(hours=23) < until - timezone.now() <= timedelta(hours=24)
        WebhookEndpoint.objects.update(former_until=F("former_until") - timedelta(days=1))
        world.place((world.product(), 1))
        deliver()
        assert is_signed(receiver.requests[1], fresh)
        with pytest.raises(WebhookVerificationError):
            is_signed(receiver.requests[1], receiver.secret)


def test_a_removed_endpoint_gets_nothing_more(world: World) -> None:
    with Receiver(OK).connect(world) as receiver:
        world.place((world.product(), 1))
        publish_all()
        remove_endpoint(receiver.endpoint.pk, by=owner_of(world))
        deliver()
        with pytest.raises(EndpointRefusedError):
            change_endpoint(receiver.endpoint.pk, url="https://example.com/", by=owner_of(world))
    assert receiver.requests == []


def test_pings_are_kept_as_long_as_the_changes_of_the_feed(world: World) -> None:
    with Receiver(OK).connect(world) as receiver:
        ping(receiver.endpoint.pk, by=owner_of(world))
        deliver()
        world.place((world.product(), 1))
        publish_all()
        assert forget_pings() == 0
        WebhookDelivery.objects.update(created_at=timezone.now() - timedelta(days=31))
        assert forget_pings() == 1
    assert only().type == "order.placed"  # it goes with its change


# --- A company that is switched off -----------------------------------------------------------


def switch(world: World, *, on: bool) -> None:
    Company.objects.filter(pk=world.company.pk).update(is_active=on)


def test_a_company_that_is_off_is_sent_nothing_and_later_what_it_missed(world: World) -> None:
    began, product = timezone.now(), world.product()
    by = owner_of(world)
    with Receiver(FAILS, OK).connect(world) as receiver:
        world.place((product, 1))
        deliver()  # fails, and is to be tried again
        switch(world, on=False)
        make_deliveries_due()
        deliver()
        world.place((product, 1))
        assert deliver() == 0
        assert len(receiver.requests) == 1
        assert receiver.now().state == EndpointState.PAUSED
        for act in (
            lambda: ping(receiver.endpoint.pk, by=by),
            lambda: replay(receiver.endpoint.pk, since=began, by=SYSTEM),
        ):
            with pytest.raises(EndpointRefusedError, match="switched off"):
                act()
        switch(world, on=True)
        assert receiver.now().state == EndpointState.FAILING
        world.place((product, 1))
        deliver()  # what happens from now on is sent by itself
        assert len(receiver.requests) == 2
        ping(receiver.endpoint.pk, by=by)
        deliver()
        assert replay(receiver.endpoint.pk, since=began, by=by) == 2
        deliver()
    placed = {
        body["data"]["order_id"] for body in receiver.bodies[1:] if "order_id" in body["data"]
    }
    assert len(placed) == 3
    assert all(row.delivered_at for row in WebhookDelivery.objects.all())


def test_a_ping_that_waits_when_the_company_is_switched_off_is_not_sent(world: World) -> None:
    with Receiver(OK).connect(world) as receiver:
        ping(receiver.endpoint.pk, by=owner_of(world))
        switch(world, on=False)
        deliver()
    assert receiver.requests == []
    assert not only().is_waiting


# --- Crashes and races ------------------------------------------------------------------------


class Killed(BaseException):
    """A process that ends at once, at the place where this is raised."""


def test_a_process_killed_between_commit_and_call_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_call: Any) -> None:
        raise Killed

    with Receiver(OK).connect(world) as receiver:
        world.place((world.product(), 1))
        publish_all()
        with monkeypatch.context() as patch:
            patch.setattr(outbound_http, "post", die)  # replaced: the process is killed here
            with pytest.raises(Killed):
                send_delivery(only().pk)
        assert deliver() == 0  # its lease is held
        expire_leases()
        assert deliver() == 1
    assert receiver.types == ["order.placed"]


def test_a_queue_that_forgets_what_it_hands_out_loses_the_event(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = DeliveryQuerySet.claim

    def claim(rows: Any, pk: Any, *, seconds: float) -> Any:
        row = claimed(rows, pk, seconds=seconds)
        WebhookDelivery.objects.filter(pk=pk).update(
            next_attempt_at=None, lease_until=None, lease_token=None
        )
        return row

    def die(*_call: Any) -> None:
        raise Killed

    with Receiver(OK).connect(world) as receiver:
        world.place((world.product(), 1))
        publish_all()
        with monkeypatch.context() as patch:
            # replaced: the guard, to see that the row that stays due is what brings the event back
            patch.setattr(DeliveryQuerySet, "claim", claim)
            patch.setattr(outbound_http, "post", die)  # replaced: the process is killed here
            with pytest.raises(Killed):
                send_delivery(only().pk)
        expire_leases()
        assert deliver() == 0
    assert receiver.types == []


def test_a_process_killed_after_the_call_sends_it_again_under_the_same_id(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_call: Any) -> None:
        raise Killed

    with Receiver(OK).connect(world) as receiver:
        world.place((world.product(), 1))
        publish_all()
        with monkeypatch.context() as patch:
            patch.setattr(delivering, "_record", die)  # replaced: the process is killed here
            with pytest.raises(Killed):
                send_delivery(only().pk)
        expire_leases()
        deliver()
    assert receiver.types == ["order.placed"] * 2
    assert len(set(receiver.ids())) == 1


def expire_leases() -> None:
    WebhookDelivery.objects.filter(lease_until__isnull=False).update(
        lease_until="2020-01-01T00:00:00Z"
    )


def hanging(closing: threading.Event, arrived: list[int]) -> Any:
    def script(_connection: Any, _closing: threading.Event) -> None:
        arrived.append(1)
        closing.wait(30)

    return script


@pytest.fixture
def let_go() -> Waiting:
    """Set at the end, so that what hangs ends."""
    event = threading.Event()
    yield event
    event.set()


def in_threads(keys: list[Any]) -> list[threading.Thread]:
    def run(key: Any) -> None:
        try:
            send_delivery(key)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    return threads


def backlog(world: World) -> list[Any]:
    """Eight deliveries that are due, with no call on its way."""
    book = world.product(stocked=50)
    for _order in range(8):
        world.place((book, 1))
    publish_all()
    return list(WebhookDelivery.objects.values_list("pk", flat=True))


def test_a_slow_endpoint_has_four_calls_at_once_and_the_others_stay_free(
    world: World, let_go: threading.Event
) -> None:
    arrived: list[int] = []
    with (
        Receiver(hanging(let_go, arrived)).connect(world) as slow,
        Receiver(OK).connect(world, events=["order.completed"]) as quick,
    ):
        keys = backlog(world)
        threads = in_threads(keys)
        eventually(lambda: len(arrived) == AT_ONCE, "as many as may are on their way")
        for thread in threads:
            thread.join(0)
        eventually(
            lambda: sum(thread.is_alive() for thread in threads) == AT_ONCE, "the others gave way"
        )
        assert queues()["webhooks"].rows.due_ids(50) == []  # those of the slow one are not found
        assert WebhookDelivery.objects.due().count() == 8 - AT_ONCE
        ping(quick.endpoint.pk, by=owner_of(world))
        (found,) = queues()["webhooks"].rows.due_ids(50)
        assert send_delivery(found)
        let_go.set()
        for thread in threads:
            thread.join()
    assert len(slow.requests) == AT_ONCE


def test_without_the_count_all_of_them_are_on_their_way(
    world: World, let_go: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: the guard, to see that it is what holds the others back
    monkeypatch.setattr(DeliveryQuerySet, "_has_enough", lambda _rows, _endpoint: False)
    arrived: list[int] = []
    with Receiver(hanging(let_go, arrived)).connect(world):
        threads = in_threads(backlog(world))
        eventually(lambda: len(arrived) == 8, "all are on their way")
        let_go.set()
        for thread in threads:
            thread.join()


def test_a_company_whose_endpoints_are_all_slow_leaves_hands_for_the_others(world: World) -> None:
    slow = [Receiver(OK).connect(world) for _each in range(3)]
    for receiver in slow:
        WebhookDelivery.objects.bulk_create(
            WebhookDelivery(endpoint=receiver.endpoint) for _ping in range(AT_ONCE)
        )
    rows, hands = WebhookDelivery.objects, queues()["webhooks"].hands
    claimed = [rows.claim(key, seconds=60) for key in rows.due_ids(50)]
    assert len(claimed) == 3 * AT_ONCE
    assert sum(map(bool, claimed)) == AT_ONCE_OF_COMPANY < hands
    assert rows.due_ids(50) == []  # so they take no place of others in a look
    elsewhere = world.new_company(points=0)
    by = Actor.in_seat(world.new_seat(Role.OWNER, elsewhere))
    with Receiver(OK) as other:
        url, events = f"{other.url}/hook", ["order.placed"]
        made = add_endpoint(company=elsewhere, url=url, events=events, by=by)
        ping(made.endpoint.pk, by=by)
        (found,) = rows.due_ids(50)
        assert send_delivery(found)
    assert other.types == ["endpoint.ping"]


def test_two_workers_at_once_send_a_delivery_once(world: World, let_go: threading.Event) -> None:
    arrived: list[int] = []
    with Receiver(hanging(let_go, arrived)).connect(world) as receiver:
        world.place((world.product(), 1))
        publish_all()
        (one,) = in_threads([only().pk])
        eventually(lambda: len(arrived) == 1, "the first is on its way")
        assert not send_delivery(only().pk)
        let_go.set()
        one.join()
    assert len(receiver.requests) == 1


def test_the_sweeper_sends_without_celery_and_redis(world: World) -> None:
    with Receiver(OK).connect(world) as receiver:
        world.place((world.product(), 1))
        call_command("sweep", "--once", stdout=StringIO())
        assert receiver.types[:1] == ["order.placed"]
