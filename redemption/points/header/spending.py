"""Explains what can be spent: the sentence that always adds up, and the orders behind each part.

Everything is read in one query, so in one snapshot, beside the balance that came with the seat.
"""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from accounts.layout import Header
from accounts.models import AccountManager, KnownBalance
from loyalty_portal.data.texts.times import exact
from redemption.models import RedemptionOrder, TransactionType

LISTED = 10  # orders shown of each part, the newest
_NAMES = ("taking", "unclear", "since", "awaiting", "back")

# Each part by an index of its own. A part's sum, number and oldest moment are of all its rows.
_PARTS = """
WITH moved AS (
    SELECT 'taking' AS part, order_id, transaction_type AS kind, points_amount AS points,
        created_at AS at
    FROM loyalty_transaction
    WHERE company_id = %(company)s AND transaction_type IN ('DEBIT', 'CORRECTION')
        AND status IN ('INTENDED', 'SENT')
    UNION ALL
    SELECT 'unclear', order_id, transaction_type, points_amount, created_at
    FROM loyalty_transaction
    WHERE company_id = %(company)s AND transaction_type IN ('DEBIT', 'CORRECTION')
        AND status IN ('UNKNOWN', 'NEEDS_REVIEW')
    UNION ALL
    SELECT 'since', order_id, transaction_type, points_amount, settled_at
    FROM loyalty_transaction
    WHERE company_id = %(company)s AND status = 'SUCCEEDED' AND settled_at > %(asked)s
    UNION ALL
    SELECT 'back', order_id, transaction_type, points_amount, created_at
    FROM loyalty_transaction
    WHERE company_id = %(company)s AND transaction_type = 'CREDIT'
        AND status IN ('INTENDED', 'SENT', 'UNKNOWN', 'NEEDS_REVIEW')
    UNION ALL
    SELECT 'awaiting', id, 'DEBIT', total_points, created_at
    FROM redemption_order WHERE company_id = %(company)s AND status = 'AWAITING_APPROVAL'
), placed AS (
    SELECT part, order_id, kind, points, at,
        sum(CASE kind WHEN 'CREDIT' THEN -points ELSE points END) OVER whole AS all_points,
        count(*) OVER whole AS number, min(at) OVER whole AS oldest,
        row_number() OVER (PARTITION BY part ORDER BY at DESC, order_id) AS place
    FROM moved WINDOW whole AS (PARTITION BY part)
)
SELECT part, order_id, kind, points, at, all_points, number, oldest
FROM placed WHERE place <= %(listed)s ORDER BY part, place
"""


class PartRow(NamedTuple):
    """Points of one order in a part of the sum. `points` are signed as the account sees them."""

    order: RedemptionOrder
    points: int
    at: datetime


@dataclass(frozen=True, slots=True)
class SumPart:
    """A part of the sum. `points` are those that it takes away: negative where more came back.

    `rows` are the newest of its `number` rows; `oldest` is the moment of the first one.
    """

    name: str
    points: int = 0
    number: int = 0
    oldest: datetime | None = None
    rows: list[PartRow] = field(default_factory=list)

    @property
    def size(self) -> int:
        return abs(self.points)

    @property
    def more(self) -> int:
        """Rows that are not listed."""
        return self.number - len(self.rows)


class Lapse(NamedTuple):
    """Points that expire on a day."""

    points: int
    day: date


@dataclass(frozen=True, slots=True)
class Spending:
    """What can be spent and why. `header` has the same figures, for the page's own header.

    `taking`: debits without an outcome, but for those that are `unclear`; `since`: what moved after
    the loyalty system was asked. `awaiting` and `back` are in no sum: orders that wait for
    approval, and points that are being given back.
    """

    header: Header
    taking: SumPart
    unclear: SumPart
    since: SumPart
    awaiting: SumPart
    back: SumPart
    expiring: list[Lapse]

    @property
    def rest(self) -> int | None:
        """Balance minus all parts; may be negative. `spendable` is this, at least 0."""
        return None if self.account is None else self.account - self.header.in_flight

    @property
    def lacking(self) -> int:
        """Points by which the sum is below 0."""
        return max(0, -(self.rest or 0))

    @property
    def account(self) -> int | None:
        """The balance of the account at this moment, as far as is known here."""
        known = self.header.known
        return known.points - self.header.moved if known else None

    @property
    def as_of(self) -> datetime | None:
        """Until when the balance has what the loyalty system booked, by its own clock."""
        known = self.header.known
        return known.as_of if known else None

    @property
    def asked_told(self) -> str:
        """When the loyalty system was asked: a time of today, or date and time; with the zone."""
        asked = timezone.localtime(self.header.balance_age)
        if asked.date() == timezone.localdate():
            return f"{asked:%H:%M} {asked.tzname()}"
        return exact(asked)

    @property
    def listed(self) -> list[SumPart]:
        """The parts made up of orders, in the order of the sentence."""
        parts = (self.taking, self.unclear, self.since, self.awaiting, self.back)
        return [part for part in parts if part.number]


def spending_of(seat: AccountManager, header: Header, *, listed: int = LISTED) -> Spending:
    """Explain what the seat's company can spend. `header` was built from the same known balance.
    Of each part at most `listed` orders are read: one query more, unless it is 0.
    """
    asked = header.known.fetched_at if header.known else timezone.now()
    parts = _read(seat.company_id, asked, listed)
    taking, unclear, since = parts["taking"], parts["unclear"], parts["since"]
    same = replace(
        header,
        in_flight=taking.points + unclear.points,
        unclear=unclear.points,
        moved=since.points,
        awaiting=parts["awaiting"].points,
    )
    return Spending(same, **parts, expiring=lapses(header.known))


def lapses(known: KnownBalance | None) -> list[Lapse]:
    """The points that expire, soonest first, as the loyalty system told them."""
    told = known.expiring if known else []
    return [Lapse(one["points"], date.fromisoformat(one["expires_on"])) for one in told]


def _read(company: UUID, asked: datetime, listed: int) -> dict[str, SumPart]:
    facts: dict[str, Any] = {"company": company, "asked": asked, "listed": max(1, listed)}
    with connection.cursor() as cursor:
        cursor.execute(_PARTS, facts)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    people = RedemptionOrder.objects.select_related("account_manager__user")
    orders = people.in_bulk({row[1] for row in rows}) if rows and listed else {}
    parts = {name: SumPart(name) for name in _NAMES}
    for name, order, kind, points, at, total, number, oldest in rows:
        if not parts[name].number:
            parts[name] = SumPart(name, int(total), number, oldest)
        if order not in orders:
            continue
        signed = points if kind == TransactionType.CREDIT else -points
        parts[name].rows.append(PartRow(orders[order], signed, at))
    return parts
