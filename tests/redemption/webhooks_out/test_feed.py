"""The feed has each committed change of a company that reads it, and a reader misses none."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.access.keys import revoke_key
from accounts.models import AccountManager, ApiKey, Role, User
from loyalty_portal.data.leases import is_alone
from loyalty_portal.data.trouble import Looks
from loyalty_portal.feed import services as feed
from loyalty_portal.feed.models import FeedItem, Outbox
from loyalty_portal.feed.services import forget_changes, publish, publish_all
from redemption.management.commands import sweep
from redemption.models import OrderEvent, RedemptionOrder, TransactionType
from redemption.orders.actions.cancelling import cancel
from redemption.saga.transactions import settle_transaction
from redemption.states import LineStatus, OrderStatus, TransactionStatus
from redemption.webhooks_out.services import remove_endpoint
from tests.accounts.access.making import new_key
from tests.loyalty_portal.api.calls import Calls
from tests.redemption.webhooks_out.receiver import OK, Receiver, owner_of
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def followed(world: World) -> World:
    """The company has an endpoint, which nobody calls here."""
    Receiver(OK).connect(world)
    return world


def read(after: int) -> list[FeedItem]:
    """What a reader finds that remembers the last sequence it has seen."""
    return list(FeedItem.objects.filter(sequence__gt=after).order_by("sequence"))


class LateCommit:
    """A transaction in a thread that has written, and commits when it is told to."""

    def __init__(self, write: Callable[[], Any]) -> None:
        self._write = write
        self._written, self._go_on = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "LateCommit":
        self._thread.start()
        assert self._written.wait(30)
        return self

    def _run(self) -> None:
        try:
            with transaction.atomic():
                self._write()
                self._written.set()
                self._go_on.wait(30)
        finally:
            connections.close_all()

    def commit(self) -> None:
        self._go_on.set()
        self._thread.join()

    def __exit__(self, *_error: object) -> None:
        self.commit()


def test_an_event_that_commits_late_is_not_skipped_and_by_its_id_it_would_be(
    followed: World,
) -> None:
    book = followed.product()
    another = followed.new_seat(Role.BUYER)
    with LateCommit(lambda: followed.place((book, 1))) as late:
        # Written later and committed earlier. Another product, so that no lock is waited for.
        quick = followed.place((followed.product(), 1), seat=another)
        publish_all()
        seen = [change for change in read(0) if change.type == "order.placed"]
        assert {change.data["order_number"] for change in seen} == {quick.order_number}
        newest_id = max(event.pk for event in OrderEvent.objects.filter(order=quick))
        late.commit()
    slow = RedemptionOrder.objects.exclude(pk=quick.pk).get()
    publish_all()
    found = read(seen[-1].sequence)
    assert [change.data["order_number"] for change in found] == [slow.order_number]
    assert [change.type for change in found] == ["order.placed"]
    # The control: a reader that remembers the highest id of the events misses it.
    placed = OrderEvent.objects.filter(order=slow, subject="ORDER")
    assert placed.exists()
    assert not placed.filter(pk__gt=newest_id).exists()


def test_a_company_reads_nothing_of_how_much_happens_at_others(followed: World) -> None:
    """Each has its own numbers without gaps, in the order in which its changes became visible."""
    others = followed.new_company(points=10_000)
    their_seat = followed.new_seat(Role.BUYER, others)
    keys = {company: new_key(company, role=Role.OWNER) for company in (followed.company, others)}
    for n in range(3):
        followed.place((followed.product(), 1))
        for _ in range(n):
            followed.place((followed.product(), 1), seat=their_seat)
        publish_all()
    for key in keys.values():
        told = Calls(key).every("/events", {"limit": 1})
        assert [each["sequence"] for each in told] == [1, 2, 3]
        assert [each["id"] for each in told] == ["1", "2", "3"]
    assert FeedItem.objects.count() == 6


def migrated_to(name: str) -> None:
    MigrationExecutor(connection).migrate([("feed", name)])


OLD_PUBLISHER = """
    INSERT INTO feed_item (company, type, occurred_at, data)
    VALUES (%s, 'order.placed', now(), '{"order_number": "before"}') RETURNING sequence
"""


def publish_as_before(world: World) -> int:
    """What a process of the version before writes. Returns the sequence that it tells."""
    with connection.cursor() as cursor:
        cursor.execute(OLD_PUBLISHER, [world.company.pk])
        (sequence,) = cursor.fetchone()
    return int(sequence)


def test_who_read_before_the_numbers_of_companies_misses_nothing_after(followed: World) -> None:
    calls = Calls(new_key(followed.company, role=Role.OWNER))
    publish_all()
    FeedItem.objects.all().delete()
    migrated_to("0002_touch")
    try:
        first, last = (publish_as_before(followed) for _ in range(2))
    finally:
        migrated_to("0004_read_by_place")
    late = publish_as_before(followed)  # by a process that the deploy has not replaced yet
    order = followed.place((followed.product(), 1))
    publish_all()
    assert [each["sequence"] for each in calls.every("/events")][:2] == [first, last]
    for after in (last, late):  # as the version before told them, to endpoints too
        found = calls.every("/events", {"after_sequence": after, "limit": 1})
        assert [each["data"]["order_number"] for each in found] == ["before", order.order_number]
        numbers = [each["sequence"] for each in found]
        assert numbers == [numbers[0], numbers[0] + 1]
        assert numbers[0] > 1_000_000
    newcomer = followed.new_company(points=1_000)
    key = new_key(newcomer, role=Role.OWNER)
    followed.place((followed.product(), 1), seat=followed.new_seat(Role.BUYER, newcomer))
    publish_all()
    assert Calls(key).every("/events")[0]["sequence"] == 1


def test_one_publisher_at_a_time_gives_out_sequences(followed: World) -> None:
    followed.place((followed.product(), 1))

    def hold() -> None:
        assert is_alone(feed._LOCK)

    with LateCommit(hold):
        assert publish() == 0
        assert not FeedItem.objects.exists()
    assert publish() == 1


def test_a_publisher_that_dies_leaves_the_changes_for_the_next(
    followed: World, settings: Any
) -> None:
    followed.place((followed.product(), 1))
    readers, settings.FEED_READERS = (
        settings.FEED_READERS,
        ["tests.redemption.webhooks_out.test_feed.dies"],
    )
    with pytest.raises(KeyboardInterrupt):
        publish()
    assert (FeedItem.objects.count(), Outbox.objects.count()) == (0, 1)
    settings.FEED_READERS = readers
    publish()
    assert (FeedItem.objects.count(), Outbox.objects.count()) == (1, 0)


def dies(changes: object) -> None:
    raise KeyboardInterrupt


def test_a_company_without_key_and_endpoint_leaves_nothing(world: World) -> None:
    settle_transaction(world.debit(world.place((world.product(), 1))).pk)
    world.new_seat(Role.VIEWER)
    assert not Outbox.objects.exists()


def test_a_company_whose_keys_and_endpoints_have_ended_leaves_nothing_more(world: World) -> None:
    owner = owner_of(world)
    endpoint = Receiver(OK).connect(world).endpoint
    remove_endpoint(endpoint.pk, by=owner)
    revoke_key(key=new_key(world.company).key, by=owner, reason="not needed any more")
    ApiKey.objects.filter(pk=new_key(world.company).key.pk).update(expires_at=timezone.now())
    publish_all()
    world.place((world.product(), 1))
    assert not Outbox.objects.exists()
    new_key(world.company)
    world.place((world.product(), 1))
    assert Outbox.objects.filter(source="order events").exists()


def test_an_orders_life_is_told_in_thin_events(followed: World) -> None:
    order = followed.place((followed.product(points=700), 1))
    settle_transaction(followed.debit(order).pk)
    cancel(order=RedemptionOrder.objects.get(pk=order.pk), by=owner_of(followed), reason="")
    settle_transaction(order.transactions.get(transaction_type=TransactionType.CREDIT).pk)
    publish_all()
    changes = read(0)
    assert [change.type for change in changes] == [
        "order.placed",
        "points.settled",
        "order.confirmed",
        "points.settled",
        "order.credited",
        "order.cancelled",
    ]
    assert changes[0].data == {
        "order_id": str(order.pk),
        "order_number": order.order_number,
        "status": "PENDING",
        "url": f"http://127.0.0.1:8000/api/v1/orders/{order.pk}",
    }
    credit = changes[3].data
    assert (credit["transaction_type"], credit["status"]) == ("CREDIT", "SUCCEEDED")
    assert {change.company for change in changes} == {followed.company.pk}


TOLD = {
    ("ORDER", "AWAITING_APPROVAL"): ["order.placed", "order.approval_requested"],
    ("ORDER", "PENDING"): ["order.placed"],
    ("ORDER", "CONFIRMED"): ["order.confirmed"],
    ("ORDER", "DECLINED"): ["order.declined"],
    ("ORDER", "REJECTED"): ["order.declined"],
    ("ORDER", "EXPIRED"): ["order.declined"],
    ("ORDER", "COMPLETED"): ["order.completed"],
    ("ORDER", "CANCELLED"): ["order.cancelled"],
    ("LINE", "SHIPPED"): ["order.shipped"],
    ("LINE", "DELIVERED"): ["order.line_delivered"],
    ("LINE", "FAILED"): ["order.line_failed"],
    ("TRANSACTION", "SUCCEEDED"): ["points.settled"],
    ("TRANSACTION", "REFUSED"): ["points.settled"],
    ("TRANSACTION", "NEEDS_REVIEW"): ["points.needs_review"],
}
_OF_ORDER = {"order_id", "order_number", "status", "url"}
KEYS = {
    "ORDER": _OF_ORDER,
    "LINE": _OF_ORDER | {"line_id"},
    "TRANSACTION": _OF_ORDER | {"transaction_id", "transaction_type"},
}
STEPS = [
    *(("ORDER", status) for status in OrderStatus.values),
    *(("LINE", status) for status in LineStatus.values),
    *(("TRANSACTION", status) for status in TransactionStatus.values),
]


def test_each_step_is_told_by_its_type_or_not_at_all(followed: World) -> None:
    """None stops the feed: a status that has no type is not written for it."""
    order = followed.place((followed.product(), 1))
    publish_all()
    after = max(change.sequence for change in read(0))
    for subject, status in STEPS:
        parts: dict[str, dict[str, Any]] = {
            "LINE": {"item": order.items.get()},
            "TRANSACTION": {"transaction": followed.debit(order)},
        }
        OrderEvent.objects.create(
            order=order, subject=subject, to_status=status, **parts.get(subject, {})
        )
        publish_all()
        changes = read(after)
        assert [change.type for change in changes] == TOLD.get((subject, status), []), status
        assert {change.data["status"] for change in changes} <= {status}
        assert all(change.data.keys() == KEYS[subject] for change in changes)
        after = max([after, *(change.sequence for change in changes)])


def test_a_change_of_a_seat_is_told_and_names_nobody(followed: World) -> None:
    seat = followed.new_seat(Role.BUYER)
    seat.role = Role.VIEWER
    seat.save()
    seat.save()  # nothing changed
    publish_all()
    told = [change.data for change in read(0) if change.data["member_id"] == str(seat.pk)]
    assert len(told) == 2
    assert told[1] == {
        "member_id": str(seat.pk),
        "role": "viewer",
        "status": "active",
        "url": f"http://127.0.0.1:8000/api/v1/members/{seat.pk}",
    }


def test_a_person_who_is_switched_off_and_on_is_told_to_each_company(followed: World) -> None:
    seat = followed.new_seat(Role.BUYER)
    elsewhere = followed.new_seat(Role.BUYER, followed.new_company(points=0))
    AccountManager.objects.filter(pk=elsewhere.pk).update(user=seat.user)  # nobody reads there
    publish_all()
    FeedItem.objects.all().delete()
    for is_active in (False, False, True):
        User.objects.filter(pk=seat.user_id).update(is_active=is_active, name="Grace")
        publish_all()
    assert [
        (change.type, change.data["member_id"], change.data["status"]) for change in read(0)
    ] == [
        ("member.changed", str(seat.pk), "inactive"),
        ("member.changed", str(seat.pk), "active"),
    ]
    machine = new_key(followed.company).key.seat
    publish_all()
    User.objects.filter(pk=machine.user_id).update(is_active=False)
    publish_all()
    assert len(read(0)) == 2


def test_changes_are_kept_for_thirty_days(followed: World) -> None:
    followed.place((followed.product(), 1))
    publish_all()
    for days, gone in ((29, 0), (31, 1)):
        FeedItem.objects.update(published_at=timezone.now() - timedelta(days=days))
        assert forget_changes() == gone
    assert not FeedItem.objects.exists()


def test_what_is_published_is_sent_without_waiting_for_the_next_look(followed: World) -> None:
    followed.place((followed.product(), 1))
    stop, looked = threading.Event(), []

    def look_again() -> None:
        looked.append(FeedItem.objects.count())
        stop.set()

    sweep._publish_changes(0.05, stop, Looks(stop), look_again)
    assert looked == [1]
