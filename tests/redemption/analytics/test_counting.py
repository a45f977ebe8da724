"""The figures of reports are what the orders and their events say."""

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fulfillment.models import FulfillmentEvent
from redemption.analytics import services
from redemption.analytics.buckets import BOUNDS, bucket_of, quantile
from redemption.analytics.selectors import counted_until
from redemption.analytics.services import count_figures, rebuild_figures
from redemption.models import (
    DeskFigure,
    DurationFigure,
    FiguresMark,
    LineFigure,
    LineReturn,
    OrderEvent,
    OrderFigure,
    PointsFigure,
    RedemptionOrder,
    Stage,
    TransactionType,
)
from redemption.states import TransactionStatus
from tests.redemption.analytics.gallery import Gallery, moved_back

pytestmark = pytest.mark.django_db
FIGURES = (OrderFigure, LineFigure, PointsFigure, DurationFigure, DeskFigure)


def hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def stored() -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all figures, without their keys, in any order."""
    return {
        model.__name__: sorted(
            tuple(str(value) for name, value in sorted(row.items()) if name != "id")
            for row in model.objects.values()
        )
        for model in FIGURES
    }


def added(rows: Iterable[tuple[tuple[Any, ...], Counter[str]]]) -> dict[tuple[Any, ...], Any]:
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for key, counts in rows:
        sums.setdefault(key, Counter()).update(counts)
    return sums


def taken(order: RedemptionOrder) -> bool:
    return any(
        each.transaction_type == TransactionType.DEBIT
        and each.status == TransactionStatus.SUCCEEDED
        for each in order.transactions.all()
    )


def orders_as_they_are() -> dict[tuple[Any, ...], Any]:
    rows = RedemptionOrder.objects.prefetch_related("transactions")
    return added(
        (
            (hour(order.created_at), *who, order.status, taken(order)),
            Counter(orders=1, points=order.total_points),
        )
        for order in rows
        for who in (
            (None, None),
            (order.company_id, None),
            (order.company_id, order.account_manager_id),
        )
    )


def lines_as_they_are() -> dict[tuple[Any, ...], Any]:
    rows = RedemptionOrder.objects.prefetch_related("items__returns", "transactions")
    return added(
        (
            (
                *(hour(order.created_at), order.account_manager_id, item.product_id),
                *(item.fulfillment_status, taken(order)),
            ),
            Counter(
                lines=1,
                units=item.quantity,
                points=item.points,
                points_back=item.quantity_refunded * item.points_per_item,
                units_back=sum(each.units for each in item.returns.all()),
            ),
        )
        for order in rows
        for item in order.items.all()
    )


def points_as_they_are() -> dict[tuple[Any, ...], Any]:
    outcomes = OrderEvent.objects.filter(
        subject="TRANSACTION", to_status__in=["SUCCEEDED", "REFUSED"]
    ).select_related("transaction")
    told = [(event, event.transaction) for event in outcomes if event.transaction]
    return added(
        (
            (hour(event.at), who, about.transaction_type, event.to_status),
            Counter(transactions=1, points=about.points_amount),
        )
        for event, about in told
        for who in (None, about.company_id)
    )


def times_as_they_are() -> Counter[tuple[Any, ...]]:
    """How often each stage took a time within each bucket, in all, from the events."""
    counts: Counter[tuple[Any, ...]] = Counter()
    for order in RedemptionOrder.objects.prefetch_related("events"):
        events = sorted(order.events.all(), key=lambda event: event.at)
        begun = {event.item_id: event.at for event in events if event.from_status == "WAITING"}
        started = next((e.at for e in events if e.to_status == "PENDING"), None)
        for event in events:
            about = (event.subject, event.to_status)
            if about == ("ORDER", "CONFIRMED") and started:
                took = (event.at - started).total_seconds()
                counts[hour(event.at), Stage.CONFIRM, bucket_of(took)] += 1
            elif about in {("LINE", "SHIPPED"), ("LINE", "DELIVERED")}:
                stage = Stage.SHIP if event.to_status == "SHIPPED" else Stage.DELIVER
                took = (event.at - begun[event.item_id]).total_seconds()
                counts[hour(event.at), stage, bucket_of(took)] += 1
    return counts


def desk_as_it_is() -> Counter[tuple[Any, ...]]:
    counts: Counter[tuple[Any, ...]] = Counter()
    events = FulfillmentEvent.objects.filter(fulfillment__channel="DESK", by__isnull=False)
    for event in events:
        before, after = event.from_status, event.to_status
        if before == after or (after == "QUEUED" and before != "PACKED") or after == "RETURNED":
            continue
        step = "SHIPPED" if after == "QUEUED" else after
        counts[hour(event.at), event.by_id, step] += 1
    for each in LineReturn.objects.all():  # in parts, or as a whole
        counts[hour(each.recorded_at), each.recorded_by_id, "RETURNED"] += 1
    return counts


def must_agree() -> None:
    """The stored figures are the sums of the raw rows, which are added up here one by one."""
    assert orders_as_they_are() == added(
        (
            (row.hour, row.company_id, row.seat_id, row.status, row.taken),
            Counter(orders=row.orders, points=row.points),
        )
        for row in OrderFigure.objects.all()
    )
    assert lines_as_they_are() == added(
        (
            (row.hour, row.seat_id, row.product_id, row.status, row.taken),
            Counter(
                lines=row.lines,
                units=row.units,
                points=row.points,
                points_back=row.points_back,
                units_back=row.units_back,
            ),
        )
        for row in LineFigure.objects.all()
    )
    assert points_as_they_are() == added(
        (
            (row.hour, row.company_id, row.kind, row.status),
            Counter(transactions=row.transactions, points=row.points),
        )
        for row in PointsFigure.objects.all()
    )
    in_all = DurationFigure.objects.filter(product=None, person=None)
    assert times_as_they_are() == Counter(
        {(row.hour, row.stage, row.bucket): row.times for row in in_all}
    )
    assert desk_as_it_is() == Counter(
        {(row.hour, row.person_id, row.step): row.lines for row in DeskFigure.objects.all()}
    )


def due_again() -> None:
    """Let the next count come as if its minute were over."""
    FiguresMark.objects.update(ran_at=timezone.now() - timedelta(hours=1))


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_counted_is_what_the_orders_say_however_they_ended(seed: int) -> None:
    gallery = Gallery(seed)
    for _ in range(16):
        gallery.draw()
    rebuild_figures()
    must_agree()
    assert all(model.objects.exists() for model in FIGURES)
    assert LineFigure.objects.filter(units_back__gt=0).exclude(status="RETURNED").exists()
    counted = stored()
    rebuild_figures()
    assert stored() == counted


def test_the_sweeper_counts_from_the_first_order_on_and_then_what_is_new() -> None:
    gallery = Gallery(4)
    for _ in range(6):
        gallery.draw()
    count_figures()
    must_agree()
    assert count_figures() == 0  # its minute is not over
    gallery.draw(hours_ago=0)
    due_again()
    assert count_figures() > 0
    must_agree()


def test_late_news_of_an_old_order_mends_the_hour_in_which_it_was_placed() -> None:
    gallery = Gallery(5)
    order = gallery.confirmed()
    moved_back(order, timedelta(hours=30))
    count_figures()
    placed_at = hour(order.created_at - timedelta(hours=30))
    assert LineFigure.objects.filter(hour=placed_at, points_back__gt=0).count() == 0
    gallery.give_up(order)
    due_again()
    count_figures()
    must_agree()
    assert LineFigure.objects.filter(hour=placed_at, points_back__gt=0).exists()
    [credit] = PointsFigure.objects.filter(kind=TransactionType.CREDIT, company=None)
    assert credit.hour == hour(timezone.now())


def test_a_part_that_comes_back_counts_for_its_order_and_for_who_took_it_back() -> None:
    gallery = Gallery(7)
    order = gallery.arrived()
    moved_back(order, timedelta(hours=30))
    count_figures()
    gallery.take_back(order, 1)
    due_again()
    count_figures()
    must_agree()
    placed_at = hour(order.created_at - timedelta(hours=30))
    [line] = LineFigure.objects.filter(hour=placed_at, units_back__gt=0)
    assert (line.status, line.units_back) == ("DELIVERED", 1)
    [back] = DeskFigure.objects.filter(step="RETURNED")
    assert (back.hour, back.lines) == (hour(timezone.now()), 1)
    gallery.take_back(order, 2)  # the rest of it: the line came back as a whole
    due_again()
    count_figures()
    must_agree()
    assert DeskFigure.objects.filter(step="RETURNED").count() in {1, 2}  # by one person, or two


def test_the_sweeper_command_counts() -> None:
    Gallery(6).draw()
    call_command("sweep", "--once")
    assert counted_until() is not None
    must_agree()


def test_the_command_counts_everything_anew() -> None:
    gallery = Gallery(7)
    for _ in range(4):
        gallery.draw()
    count_figures()
    OrderFigure.objects.all().delete()
    LineFigure.objects.update(points=0)
    call_command("rebuild_figures")
    must_agree()


@pytest.mark.django_db(transaction=True)
def test_orders_that_change_while_everything_is_counted_anew_are_counted_in_the_end() -> None:
    gallery = Gallery(8)
    orders = [gallery.confirmed() for _ in range(4)]
    for number, order in enumerate(orders):
        moved_back(order, timedelta(hours=26 * number))
    count_figures()
    reached, go_on = threading.Event(), threading.Event()

    def pause(_day: datetime) -> None:
        reached.set()
        go_on.wait(20)

    def rebuild() -> None:
        rebuild_figures(told=pause)
        connections.close_all()

    other = threading.Thread(target=rebuild)
    other.start()
    assert reached.wait(20)
    gallery.give_up(orders[-1])  # of the day that is counted already
    gallery.give_up(orders[0])
    go_on.set()
    other.join(30)
    assert not other.is_alive()
    due_again()
    count_figures()
    must_agree()


def test_two_processes_never_count_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Gallery(9).draw()
    FiguresMark.objects.create(pk=1)
    # replaced: stands for another process that holds the mark's lock
    monkeypatch.setattr(
        services, "_held_mark", lambda **_how: (_ for _ in ()).throw(FiguresMark.DoesNotExist)
    )
    assert count_figures() == 0


def test_counting_reads_by_indexes() -> None:
    """No table of orders or events is read as a whole where few hours are counted."""
    gallery = Gallery(10)
    gallery.draw(hours_ago=0)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    with CaptureQueriesContext(connection) as caught:
        count_figures()
    read = [each["sql"] for each in caught if each["sql"].startswith("SELECT")]
    plans = []
    for statement in read:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}")
            plans.append("\n".join(row[0] for row in cursor.fetchall()))
    big = ("redemption_order ", "redemption_orderevent", "fulfillment_fulfillmentevent")
    whole = [plan for plan in plans for table in big if f"Seq Scan on {table}" in plan]
    assert whole == []


def test_a_quantile_is_the_bound_of_the_bucket_that_the_duration_is_in() -> None:
    taking = [0.4, 61, 61, 90, 4_000, 7_200, 7_201, 86_000, 9_999_999, 100_000]
    counts = Counter(bucket_of(seconds) for seconds in taking)
    for percent in (1, 50, 90, 100):
        rank = -(-len(taking) * percent // 100)
        exact = sorted(taking)[rank - 1]
        place = bucket_of(exact)
        bound = BOUNDS[place] if place < len(BOUNDS) else float("inf")
        assert quantile(counts, percent) == bound
        assert exact <= bound
    assert quantile({}, 90) is None
    assert bucket_of(0) == 0
    assert list(BOUNDS) == sorted(set(BOUNDS))
