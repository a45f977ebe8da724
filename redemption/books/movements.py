"""Reads what moved on a company's account, by the time at which it was settled.

Every sum and every page is bounded by the index `transaction_statement`, newest first.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple, cast
from uuid import UUID

from django.db.models import Case, Count, F, IntegerField, Q, QuerySet, Sum, When
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from loyalty_portal.data.kept import retold
from redemption.analytics.spans import part_of
from redemption.books.asked import StatementAsked
from redemption.models import LoyaltyTransaction, OrderItem, TransactionType
from redemption.states import TransactionStatus

Rows = QuerySet[LoyaltyTransaction]

PIECE = 1_000  # movements read at once for a file

_SIGNED = Case(
    When(transaction_type=TransactionType.CREDIT, then=F("points_amount")),
    default=-F("points_amount"),
    output_field=IntegerField(),
)


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

    `balance` is the account's after it; None where it is not told.
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
    def at(self) -> datetime:
        return self.place.at


class Sums(NamedTuple):
    """How many movements of a kind there are, and their signed points."""

    number: int = 0
    points: int = 0


def movements(company: UUID, asked: StatementAsked) -> Rows:
    """The movements that are asked for, in no order."""
    span = asked.span
    rows = _settled(company).filter(settled_at__gte=span.start, settled_at__lt=span.end)
    if asked.kind:
        rows = rows.filter(transaction_type=asked.kind)
    if asked.member:
        rows = rows.filter(order__account_manager=asked.member)
    return rows


def newest(rows: Rows, after: RowPlace | None, most: int) -> list[LoyaltyTransaction]:
    """The next movements after a place, the newest first, at most so many."""
    if after:
        rows = rows.filter(_older(after))
    people = rows.select_related("order__account_manager__user", "item")
    return list(people.defer("body").order_by("-settled_at", "-id")[:most])


def oldest(rows: Rows) -> Iterator[list[LoyaltyTransaction]]:
    """All movements in pieces, the oldest first."""
    people = rows.select_related("order__account_manager__user", "item").defer("body")
    ordered = people.order_by("settled_at", "id")
    last: RowPlace | None = None
    while True:
        piece = list((ordered.filter(_newer(last)) if last else ordered)[:PIECE])
        if piece:
            yield piece
        if len(piece) < PIECE:
            return
        last = place_of(piece[-1])


def place_of(row: LoyaltyTransaction) -> RowPlace:
    return RowPlace(cast("datetime", row.settled_at), row.pk)  # it succeeded


def net(rows: Rows) -> int:
    """What these movements come to for the account."""
    return rows.order_by().aggregate(n=Sum(_SIGNED))["n"] or 0


def net_from(company: UUID, moment: datetime) -> int:
    """What moved at or after a moment."""
    return net(_settled(company).filter(settled_at__gte=moment))


def net_until(rows: Rows, place: RowPlace) -> int:
    """What came to the newest movements of these, up to this place."""
    return net(rows.exclude(_older(place)))


def sums(rows: Rows) -> dict[str, Sums]:
    """The sums of these movements by kind."""
    by_kind = rows.order_by().values_list("transaction_type")
    found = by_kind.annotate(n=Count("pk"), points=Sum(_SIGNED))
    return {kind: Sums(number, points) for kind, number, points in found}


def by_part(rows: Rows, *, grain: str, zone: str) -> dict[date, Counter[str]]:
    """The signed points by day, week or month, and kind."""
    part = part_of("settled_at", grain=grain, zone=zone)
    parted = rows.order_by().annotate(part=part).values_list("part", "transaction_type")
    found = parted.annotate(points=Sum(_SIGNED))
    parts: dict[date, Counter[str]] = {}
    for day, kind, points in found:
        parts.setdefault(day, Counter())[kind] = points
    return parts


def told(rows: Sequence[LoyaltyTransaction]) -> list[StatementRow]:
    """These movements in words, in two more queries."""
    firsts = _first_lines({row.order_id for row in rows if row.item_id is None})
    return [_entry(row, firsts) for row in rows]


def _settled(company: UUID) -> Rows:
    return LoyaltyTransaction.objects.filter(company=company, status=TransactionStatus.SUCCEEDED)


def _older(place: RowPlace) -> Q:
    """Before this place in time. The first column alone bounds it too, so that its index serves."""
    return Q(settled_at__lte=place.at) & (Q(settled_at__lt=place.at) | Q(pk__lt=place.key))


def _newer(place: RowPlace) -> Q:
    return Q(settled_at__gte=place.at) & (Q(settled_at__gt=place.at) | Q(pk__gt=place.key))


def _first_lines(orders: Iterable[UUID]) -> dict[UUID, tuple[str, int]]:
    """The first line of each of these orders, and how many more there are."""
    lines = OrderItem.objects.filter(order__in=list(orders)).order_by()
    counts = dict(lines.values_list("order").annotate(n=Count("pk")))
    firsts = lines.order_by("order", "id").distinct("order")
    rows = firsts.values_list("order", "quantity", "product_name")
    return {order: (f"{pieces} × {name}", counts[order] - 1) for order, pieces, name in rows}


def _entry(row: LoyaltyTransaction, firsts: dict[UUID, tuple[str, int]]) -> StatementRow:
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


def _what(row: LoyaltyTransaction, firsts: dict[UUID, tuple[str, int]]) -> str:
    why = retold(row.reason)
    if row.item:
        what = f"{row.units or row.item.quantity} × {row.item.product_name}"
    else:
        what, more = firsts[row.order_id]
        if more:
            what = _("%(first)s and %(more)s more") % {"first": what, "more": more}
    return f"{what}: {why}" if why else what
