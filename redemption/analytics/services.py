"""Counts the figures of reports anew where something happened, and all of them on request.

An hour is counted as a whole: its rows are deleted and made again, in one transaction. So counting
twice changes nothing, and late news about an old order mends the hour in which it was placed
(docs/decisions/0040-figures-by-hour.md).
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Min
from django.db.models.functions import TruncHour
from django.utils import timezone

from loyalty_portal.data.trouble import retried
from redemption.analytics import counting
from redemption.models import (
    DeskFigure,
    DurationFigure,
    FiguresMark,
    HourlyFigure,
    LineFigure,
    OrderEvent,
    OrderFigure,
    PointsFigure,
    RedemptionOrder,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PERIOD = timedelta(minutes=1)  # between two counts
# An event is committed at most so long after the time that it carries: the longest transaction,
# and how far the clocks of two machines differ. Events of that span are looked at once more.
OVERLAP = timedelta(minutes=10)
PATIENCE = 2.0  # seconds for which the sweeper counts at a time

Count = Callable[[datetime, datetime], Sequence[HourlyFigure]]
BY_ORDERS: Sequence[tuple[type[HourlyFigure], Count]] = (
    (OrderFigure, counting.order_figures),
    (LineFigure, counting.line_figures),
)
BY_EVENTS: Sequence[tuple[type[HourlyFigure], Count]] = (
    (PointsFigure, counting.points_figures),
    (DurationFigure, counting.duration_figures),
    (DeskFigure, counting.desk_figures),
)


def count_figures() -> int:
    """Count all hours in which something happened since the last count. Returns how many.

    For the sweeper: it gives way to another process that counts, and stops after PATIENCE.
    """
    ends = time.monotonic() + PATIENCE
    hours = 0
    while (counted := _count_some()) is not None:
        hours += counted
        if time.monotonic() > ends:
            break
    return hours


def rebuild_figures(*, told: Callable[[datetime], object] = lambda _day: None) -> int:
    """Count every hour anew, day by day, each in its own transaction. Returns the number of days.

    Orders may go on meanwhile: what happens to an hour after it was counted is counted by
    `count_figures`, as always. `told` is called with the beginning of each day that is done.
    """
    began = timezone.now()
    days = 0
    for day in _days(began):
        retried(lambda day=day: _recount_day(day))  # type: ignore[misc]
        told(day)
        days += 1
    with transaction.atomic():
        mark = _held_mark()
        mark.counted_until = max(mark.counted_until or began, began)
        mark.save()
    return days


@transaction.atomic
def _recount_day(day: datetime) -> None:
    _held_mark()
    for kinds in (BY_ORDERS, BY_EVENTS):
        _recount(kinds, day, day + DAY)


def _first_order() -> datetime | None:
    """When the first order was placed. Nothing that is counted happened before."""
    placed: datetime | None = RedemptionOrder.objects.aggregate(low=Min("created_at"))["low"]
    return placed


def _days(until: datetime) -> Iterator[datetime]:
    """The beginning, in UTC, of each day from the first order until `until`."""
    first = _first_order()
    if first is None:
        return
    day = first.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= until:
        yield day
        day += DAY


def _held_mark(**how: Any) -> FiguresMark:
    """The mark, locked until the transaction ends: only one process counts at a time."""
    FiguresMark.objects.bulk_create([FiguresMark(pk=1)], ignore_conflicts=True)
    return FiguresMark.objects.select_for_update(**how).get(pk=1)


@transaction.atomic
def _count_some() -> int | None:
    """Count what happened in the next day at most. Returns the number of hours that it counted;
    None when nothing is left to do now, or another process counts.
    """
    now = timezone.now()
    try:
        mark = _held_mark(skip_locked=True)
    except FiguresMark.DoesNotExist:
        return None
    if mark.ran_at and now - mark.ran_at < PERIOD and mark.counted_until == mark.ran_at:
        return None
    start = mark.counted_until or _first_order() or now
    until = min(now, start + DAY)
    hours = _recount_since(start - OVERLAP, until)
    mark.counted_until, mark.ran_at = until, until if until == now else now
    mark.save()
    return hours


def _recount_since(start: datetime, until: datetime) -> int:
    """Count the hours of [start, until], and those of the orders to which something happened."""
    told = OrderEvent.objects.filter(at__gte=start, at__lte=until).order_by()
    placed = told.values_list(TruncHour("order__created_at", tzinfo=UTC), flat=True).distinct()
    hours = 0
    for first, end in _runs(placed):
        _recount(BY_ORDERS, first, end)
        hours += (end - first) // HOUR
    first = start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    _recount(BY_EVENTS, first, until + HOUR)
    return hours


def _runs(hours: Iterable[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """Spans [start, end) of consecutive hours, none longer than a day."""
    start = end = None
    for hour in sorted(hours):
        if start is None or end is None:
            start, end = hour, hour + HOUR
        elif hour == end and end - start < DAY:
            end += HOUR
        else:
            yield start, end
            start, end = hour, hour + HOUR
    if start is not None and end is not None:
        yield start, end


def _recount(
    kinds: Sequence[tuple[type[HourlyFigure], Count]], start: datetime, end: datetime
) -> None:
    """Replace the rows of the whole hours that begin in [start, end)."""
    last = end - timedelta(microseconds=1)
    whole = last.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
    for model, count in kinds:
        rows: models.Manager[Any] = model._default_manager  # noqa: SLF001 - it is documented
        rows.filter(hour__gte=start, hour__lt=whole).delete()
        rows.bulk_create(count(start, whole), batch_size=2_000)
