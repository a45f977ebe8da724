"""Reads what moved on a company's account: what the portal took and gave back, by the time at which
it was settled, and what the loyalty system booked by itself, by its own time.

Every sum and every page is bounded by an index (`transaction_statement`, `ledger_entry_statement`).
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Sum, When
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import PartnersBooking, PartnersKind, User
from loyalty_portal.data.tables.spans import part_of
from loyalty_portal.data.texts.kept import retold
from redemption.models import LoyaltyTransaction, OrderItem, TransactionType
from redemption.points.statement.asked import StatementAsked
from redemption.states import TransactionStatus

Movement = LoyaltyTransaction | PartnersBooking

PIECE = 1_000  # movements read at once for a file

_SIGNED = Case(
    When(transaction_type=TransactionType.CREDIT, then=F("points_amount")),
    default=-F("points_amount"),
    output_field=IntegerField(),
)


class MovementSource(NamedTuple):
    """Movements of one table, with the names of their columns."""

    rows: QuerySet[Any]
    at: str
    kind: str
    signed: Any

    def within(self, condition: Q) -> "MovementSource":
        return self._replace(rows=self.rows.filter(condition))


def written_time(at: datetime) -> str:
    """A time for a file, which sorts and has its zone: 2026-11-27 14:09:05 CET."""
    local = timezone.localtime(at)
    return f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}"


class RowPlace(NamedTuple):
    """The place of a movement in the statement."""

    at: datetime
    key: UUID


@dataclass(frozen=True, slots=True)
class StatementRow:
    """A movement as the statement tells it. `points` are signed as the account sees them.

    `balance` is the account's after it; None where it is not told. What the loyalty system booked
    by itself has no order.
    """

    place: RowPlace
    kind: str
    what: str
    who: User | None
    order_number: str
    our_reference: str
    number: str
    points: int
    balance: int | None = None

    @property
    def by(self) -> str:
        """Who ordered, or that the loyalty system booked it by itself."""
        return str(self.who) if self.order_number else _("The loyalty system")

    @property
    def at(self) -> datetime:
        return self.place.at


class Sums(NamedTuple):
    """How many movements of a kind there are, and their signed points."""

    number: int = 0
    points: int = 0


def movements(company: UUID, asked: StatementAsked, as_of: datetime | None) -> list[MovementSource]:
    """The movements that are asked for, in no order. What the loyalty system booked after `as_of`,
    its time of the balance that is known, is not in that balance, and left out.
    """
    ours, theirs = _all(company, as_of)
    span = asked.span
    if asked.member:
        ours = ours.within(Q(order__account_manager=asked.member))
    if asked.kind:
        ours, theirs = (each.within(Q((each.kind, asked.kind))) for each in (ours, theirs))
    wanted = []
    if asked.kind not in PartnersKind.values:
        wanted.append(ours)
    if not asked.member and asked.kind not in TransactionType.values:
        wanted.append(theirs)
    return [
        each.within(Q((f"{each.at}__gte", span.start), (f"{each.at}__lt", span.end)))
        for each in wanted
    ]


def newest(sources: Sequence[MovementSource], after: RowPlace | None, most: int) -> list[Movement]:
    """The next movements after a place, the newest first, at most so many."""
    found: list[Movement] = []
    for source in sources:
        older = source.within(_older(source, after)) if after else source
        found += _with_people(older).order_by(f"-{source.at}", "-pk")[:most]
    return sorted(found, key=place_of, reverse=True)[:most]


def oldest(sources: Sequence[MovementSource]) -> Iterator[list[Movement]]:
    """All movements in pieces, the oldest first."""
    flow = heapq.merge(*(_flow(source) for source in sources), key=place_of)
    while piece := list(islice(flow, PIECE)):
        yield piece


def place_of(row: Movement) -> RowPlace:
    """The place of a movement; one of ours has succeeded."""
    at = row.at if isinstance(row, PartnersBooking) else cast("datetime", row.settled_at)
    return RowPlace(at, row.pk)


def net(sources: Iterable[MovementSource]) -> int:
    """What these movements come to for the account."""
    return sum(
        source.rows.order_by().aggregate(n=Sum(source.signed))["n"] or 0 for source in sources
    )


def net_from(company: UUID, moment: datetime, as_of: datetime | None) -> int:
    """What moved at or after a moment."""
    return net(each.within(Q((f"{each.at}__gte", moment))) for each in _all(company, as_of))


def net_until(sources: Iterable[MovementSource], place: RowPlace) -> int:
    """What the newest of these movements come to, up to the one at this place."""
    return net(source.within(_newer(source, place, itself=True)) for source in sources)


def sums(sources: Iterable[MovementSource]) -> dict[str, Sums]:
    """The sums of these movements by kind."""
    found: dict[str, Sums] = {}
    for source in sources:
        by_kind = source.rows.order_by().values_list(source.kind)
        summed = by_kind.annotate(n=Count("pk"), net=Sum(source.signed))
        found |= {kind: Sums(number, points) for kind, number, points in summed}
    return found


def by_part(
    sources: Iterable[MovementSource], *, grain: str, zone: str
) -> dict[date, Counter[str]]:
    """The signed points by day, week or month, and kind."""
    parts: dict[date, Counter[str]] = {}
    for source in sources:
        part = part_of(source.at, grain=grain, zone=zone)
        parted = source.rows.order_by().annotate(part=part).values_list("part", source.kind)
        for day, kind, points in parted.annotate(net=Sum(source.signed)):
            parts.setdefault(day, Counter())[kind] = points
    return parts


def told(rows: Sequence[Movement]) -> list[StatementRow]:
    """These movements in words, in two more queries."""
    ours = [row for row in rows if isinstance(row, LoyaltyTransaction)]
    firsts = _first_lines({row.order_id for row in ours if row.item_id is None})
    return [
        _theirs(row) if isinstance(row, PartnersBooking) else _ours(row, firsts) for row in rows
    ]


def _all(company: UUID, as_of: datetime | None) -> tuple[MovementSource, MovementSource]:
    """Both sources: the portal's transactions and the loyalty system's own bookings."""
    ours = LoyaltyTransaction.objects.filter(company=company, status=TransactionStatus.SUCCEEDED)
    theirs = PartnersBooking.objects.filter(company=company)
    if as_of:
        theirs = theirs.filter(at__lte=as_of)
    return (
        MovementSource(ours, "settled_at", "transaction_type", _SIGNED),
        MovementSource(theirs, "at", "kind", F("points")),
    )


def _with_people(source: MovementSource) -> QuerySet[Any]:
    if source.rows.model is PartnersBooking:
        return source.rows
    return source.rows.select_related("order__account_manager__user", "item").defer("body")


def _flow(source: MovementSource) -> Iterator[Movement]:
    ordered = _with_people(source).order_by(source.at, "pk")
    last: RowPlace | None = None
    while True:
        rows = ordered.filter(_newer(source, last)) if last else ordered
        piece = list(rows[:PIECE])
        yield from piece
        if len(piece) < PIECE:
            return
        last = place_of(piece[-1])


def _older(source: MovementSource, place: RowPlace) -> Q:
    """Before this place in time. The first column alone bounds it too, so that its index serves."""
    at, key = place
    tie = Q((f"{source.at}__lt", at)) | Q(pk__lt=key)
    return Q((f"{source.at}__lte", at)) & tie


def _newer(source: MovementSource, place: RowPlace, *, itself: bool = False) -> Q:
    at, key = place
    tie = Q((f"{source.at}__gt", at)) | Q(("pk__gte" if itself else "pk__gt", key))
    return Q((f"{source.at}__gte", at)) & tie


def _first_lines(orders: Iterable[UUID]) -> dict[UUID, tuple[str, int]]:
    """The first line of each of these orders, and how many more there are."""
    lines = OrderItem.objects.filter(order__in=list(orders)).order_by()
    counts = dict(lines.values_list("order").annotate(n=Count("pk")))
    firsts = lines.order_by("order", "id").distinct("order")
    rows = firsts.values_list("order", "quantity", "product_name")
    return {order: (f"{pieces} × {name}", counts[order] - 1) for order, pieces, name in rows}


def _ours(row: LoyaltyTransaction, firsts: dict[UUID, tuple[str, int]]) -> StatementRow:
    order = row.order
    return StatementRow(
        place=place_of(row),
        kind=row.get_transaction_type_display(),
        what=_what(row, firsts),
        who=order.account_manager.user,
        order_number=order.order_number,
        our_reference=order.reference,
        number=row.external_transaction_id,
        points=row.signed_points,
    )


def _theirs(row: PartnersBooking) -> StatementRow:
    return StatementRow(
        place=place_of(row),
        kind=row.get_kind_display(),
        what=row.description,
        who=None,
        order_number="",
        our_reference="",
        number=row.number,
        points=row.points,
    )


def _what(row: LoyaltyTransaction, firsts: dict[UUID, tuple[str, int]]) -> str:
    why = retold(row.reason)
    if row.item:
        what = f"{row.units or row.item.quantity} × {row.item.product_name}"
    else:
        what, more = firsts[row.order_id]
        if more:
            what = _("%(first)s and %(more)s more") % {"first": what, "more": more}
    return f"{what}: {why}" if why else what
