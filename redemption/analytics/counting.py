"""Counts figures from the orders, their lines and their events, for a span of whole hours.

Each function returns unsaved rows. They are the definition of the figures, which
docs/staff/reports.md gives in words. Orders and lines count in the hour in which the order was
placed; all else in the hour in which it happened.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, TruncHour

from fulfillment.models import Channel, FulfillmentEvent
from fulfillment.states import FulfillmentStatus
from redemption.analytics.buckets import bucket_of
from redemption.models import (
    DeskFigure,
    DurationFigure,
    EventSubject,
    LineFigure,
    LineReturn,
    LoyaltyTransaction,
    OrderEvent,
    OrderFigure,
    OrderItem,
    PointsFigure,
    RedemptionOrder,
    Stage,
    TransactionType,
)
from redemption.states import LineStatus, OrderStatus, TransactionStatus

_LOST = (LineStatus.FAILED, LineStatus.CANCELLED, LineStatus.RETURNED)
_OUTCOMES = (TransactionStatus.SUCCEEDED, TransactionStatus.REFUSED)
DESK_STEPS = (
    FulfillmentStatus.PACKED,
    FulfillmentStatus.SHIPPED,
    FulfillmentStatus.DELIVERED,
    FulfillmentStatus.FAILED,
    FulfillmentStatus.RETURNED,
)


def _hour(column: str) -> TruncHour:
    return TruncHour(column, tzinfo=UTC)


def _first(rows: QuerySet[Any], column: str) -> Coalesce:
    """The first value of a column of text, or an empty text."""
    return Coalesce(Subquery(rows.values(column)[:1]), Value(""))


def _taken(order: str) -> Exists:
    """Whether the points of an order were taken. `order` is the column with its id."""
    return Exists(
        LoyaltyTransaction.objects.filter(
            order=OuterRef(order),
            transaction_type=TransactionType.DEBIT,
            status=TransactionStatus.SUCCEEDED,
        )
    )


def order_figures(start: datetime, end: datetime) -> list[OrderFigure]:
    """Orders placed in [start, end)."""
    debit = LoyaltyTransaction.objects.filter(
        order=OuterRef("pk"), transaction_type=TransactionType.DEBIT
    )
    credit = LoyaltyTransaction.objects.filter(
        order=OuterRef("pk"), transaction_type=TransactionType.CREDIT
    ).order_by("created_at", "id")
    why = Case(
        When(status=OrderStatus.DECLINED, then=_first(debit, "answer_code")),
        When(status=OrderStatus.CANCELLED, then=_first(credit, "reason")),
        default=Value(""),
    )
    rows = (
        RedemptionOrder.objects.filter(created_at__gte=start, created_at__lt=end)
        .order_by()
        .values_list(_hour("created_at"), "company", "account_manager", "status")
        .annotate(taken=_taken("pk"), why=why, n=Count("pk"), points=Sum("total_points"))
    )
    sums: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for hour, company, seat, status, taken, why_not, orders, points in rows:
        for who in ((None, None), (company, None), (company, seat)):
            sums[hour, *who, status, taken, why_not] += Counter(orders=orders, points=points)
    return [
        OrderFigure(
            hour=hour,
            company_id=company,
            seat_id=seat,
            status=status,
            taken=taken,
            reason=why_not,
            orders=counted["orders"],
            points=counted["points"],
        )
        for (hour, company, seat, status, taken, why_not), counted in sums.items()
    ]


def line_figures(start: datetime, end: datetime) -> list[LineFigure]:
    """Lines of orders placed in [start, end)."""
    told = OrderEvent.objects.filter(
        order=OuterRef("order"), item=OuterRef("pk"), to_status=OuterRef("fulfillment_status")
    ).order_by("-at", "-id")
    why = Case(When(fulfillment_status__in=_LOST, then=_first(told, "reason")), default=Value(""))
    points = F("quantity") * F("points_per_item")
    rows = (
        OrderItem.objects.filter(order__created_at__gte=start, order__created_at__lt=end)
        .order_by()
        .values_list(
            _hour("order__created_at"),
            "order__company",
            "order__account_manager",
            "product",
            "fulfillment_status",
        )
        .annotate(
            taken=_taken("order"),
            why=why,
            n=Count("pk"),
            units=Sum("quantity"),
            worth=Sum(points),
            back=Sum(F("quantity_refunded") * F("points_per_item")),
            came_back=Sum("quantity_returned"),
        )
    )
    names = (
        *("hour", "company_id", "seat_id", "product_id", "status", "taken", "reason"),
        *("lines", "units", "points", "points_back", "units_back"),
    )
    return [LineFigure(**dict(zip(names, row, strict=True))) for row in rows]


def points_figures(start: datetime, end: datetime) -> list[PointsFigure]:
    """Transactions that had their outcome in [start, end)."""
    why = Case(
        When(to_status=TransactionStatus.REFUSED, then=F("transaction__answer_code")),
        When(transaction__transaction_type=TransactionType.CREDIT, then=F("transaction__reason")),
        default=Value(""),
    )
    rows = (
        _events(start, end, EventSubject.TRANSACTION, _OUTCOMES)
        .values_list(
            _hour("at"), "transaction__company", "transaction__transaction_type", "to_status"
        )
        .annotate(why=why, n=Count("pk"), points=Sum("transaction__points_amount"))
    )
    sums: dict[tuple[Any, ...], Counter[str]] = defaultdict(Counter)
    for hour, company, kind, status, reason, number, points in rows:
        for who in (None, company):
            sums[hour, who, kind, status, reason] += Counter(n=number, points=points)
    return [
        PointsFigure(
            hour=hour,
            company_id=company,
            kind=kind,
            status=status,
            reason=reason,
            transactions=counted["n"],
            points=counted["points"],
        )
        for (hour, company, kind, status, reason), counted in sums.items()
    ]


def _events(
    start: datetime, end: datetime, subject: EventSubject, to: Iterable[str]
) -> QuerySet[OrderEvent]:
    return OrderEvent.objects.filter(
        at__gte=start, at__lt=end, subject=subject, to_status__in=[*to]
    ).order_by()


Timed = tuple[datetime, float, Any, Any]  # the hour, seconds, the product, the person


def duration_figures(start: datetime, end: datetime) -> list[DurationFigure]:
    """Stages that ended in [start, end)."""
    counts: Counter[tuple[Any, ...]] = Counter()
    for stage, timed in (
        (Stage.CONFIRM, _confirmed(start, end)),
        (Stage.SHIP, _shipped(start, end)),
        (Stage.DELIVER, _delivered(start, end)),
    ):
        for hour, seconds, product, person in timed:
            bucket = bucket_of(max(0.0, seconds))
            if stage != Stage.CONFIRM:
                counts[hour, stage, None, None, bucket] += 1
            elif product is None:
                counts[hour, stage, None, None, bucket] += 1
                continue
            counts[hour, stage, product, None, bucket] += 1
            if person is not None:
                counts[hour, stage, None, person, bucket] += 1
    return [
        DurationFigure(
            hour=hour, stage=stage, product_id=product, person_id=person, bucket=bucket, times=times
        )
        for (hour, stage, product, person, bucket), times in counts.items()
    ]


def _confirmed(start: datetime, end: datetime) -> Iterator[Timed]:
    """Each order without a product, then each of its lines with it."""
    begin = OrderEvent.objects.filter(
        order=OuterRef("order"), subject=EventSubject.ORDER, to_status=OrderStatus.PENDING
    ).order_by("at")
    orders = _events(start, end, EventSubject.ORDER, [OrderStatus.CONFIRMED]).annotate(
        hour=_hour("at"), begin=Subquery(begin.values("at")[:1])
    )
    rows = orders.values_list("hour", "at", "begin")
    yield from ((hour, _seconds(at, begun), None, None) for hour, at, begun in rows if begun)
    lines = orders.values_list("hour", "at", "begin", "order__items__product")
    yield from ((hour, _seconds(at, begun), what, None) for hour, at, begun, what in lines if begun)


def _begun() -> Subquery:
    """When the line of an event was passed on to the desk or to the partner."""
    begin = OrderEvent.objects.filter(
        order=OuterRef("order"), item=OuterRef("item"), from_status=LineStatus.WAITING
    ).order_by("at")
    return Subquery(begin.values("at")[:1])


def _shipped(start: datetime, end: datetime) -> Iterator[Timed]:
    rows = (
        _events(start, end, EventSubject.LINE, [LineStatus.SHIPPED])
        .annotate(hour=_hour("at"), begin=_begun())
        .values_list("hour", "at", "begin", "item__product", "by")
    )
    for hour, at, begun, product, person in rows:
        if begun:
            yield hour, _seconds(at, begun), product, person


def _delivered(start: datetime, end: datetime) -> Iterator[Timed]:
    sent = OrderEvent.objects.filter(
        order=OuterRef("order"), item=OuterRef("item"), to_status=LineStatus.SHIPPED
    ).order_by("-at")
    rows = (
        _events(start, end, EventSubject.LINE, [LineStatus.DELIVERED])
        .filter(from_status__in=[LineStatus.SHIPPED, LineStatus.REQUESTED])
        .annotate(hour=_hour("at"), begin=_begun(), sender=Subquery(sent.values("by")[:1]))
        .values_list("hour", "at", "begin", "item__product", "sender")
    )
    for hour, at, begun, product, person in rows:
        if begun:
            yield hour, _seconds(at, begun), product, person


def _seconds(at: datetime, begun: datetime) -> float:
    return (at - begun).total_seconds()


def desk_figures(start: datetime, end: datetime) -> list[DeskFigure]:
    """What people at the desk did in [start, end). A part that was sent, or that came back, counts
    as such.
    """
    step = Case(
        When(to_status=FulfillmentStatus.QUEUED, then=Value(str(FulfillmentStatus.SHIPPED))),
        default=F("to_status"),
    )
    part = Q(from_status=FulfillmentStatus.PACKED, to_status=FulfillmentStatus.QUEUED)
    parts_back = LineReturn.objects.filter(item=OuterRef("fulfillment__reference"))
    rows = (
        FulfillmentEvent.objects.filter(
            Q(to_status__in=DESK_STEPS) | part,
            at__gte=start,
            at__lt=end,
            by__isnull=False,
            fulfillment__channel=Channel.DESK,
        )
        .exclude(from_status=F("to_status"))
        # Before returns were kept in units, a line came back as a whole.
        .exclude(Exists(parts_back), to_status=FulfillmentStatus.RETURNED)
        .order_by()
        .values_list(_hour("at"), "by")
        .annotate(step=step, n=Count("pk"))
    )
    back = (
        LineReturn.objects.filter(
            recorded_at__gte=start, recorded_at__lt=end, recorded_by__isnull=False
        )
        .order_by()
        .values_list(_hour("recorded_at"), "recorded_by")
        .annotate(step=Value(str(FulfillmentStatus.RETURNED)), n=Count("pk"))
    )
    counts: Counter[tuple[Any, ...]] = Counter()
    for hour, person, done, lines in (*rows, *back):
        counts[hour, person, done] += lines
    return [
        DeskFigure(hour=hour, person_id=person, step=done, lines=lines)
        for (hour, person, done), lines in counts.items()
    ]
