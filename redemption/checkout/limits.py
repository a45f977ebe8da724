"""How many points a seat may still order in this month, and its company in this quarter.

Counted are the points of orders that were placed in the period, less what went back of them
(docs/decisions/0087-what-counts-towards-a-limit.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db.models import BigIntegerField, Case, F, Q, QuerySet, Sum, When
from django.db.models.functions import TruncMonth
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountManager, Company
from accounts.seats.periods import LimitPeriod, month_of, quarter_of, zone_of
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.zones import local_day
from redemption.models import LoyaltyTransaction, RedemptionOrder, TransactionType
from redemption.saga.steps import RedemptionError
from redemption.states import OrderStatus, TransactionStatus

# No points were taken of these, or all of them went back.
_COME_TO_NOTHING = (
    OrderStatus.DECLINED,
    OrderStatus.REJECTED,
    OrderStatus.EXPIRED,
    OrderStatus.CANCELLED,
)
MONTHS_SHOWN = 6
_WENT_AHEAD = ~Q(status=OrderStatus.AWAITING_APPROVAL)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A limit and what is used of it, in points. `of_company`: of the quarter, for everybody of the
    company; otherwise of the month, for one seat.
    """

    limit: int
    used: int
    period: LimitPeriod
    of_company: bool
    of_whom: str  # the name of the person or company

    @property
    def left(self) -> int:
        """Never below 0, also after the limit was lowered."""
        return max(0, self.limit - self.used)

    def over(self, points: int) -> int:
        """By how much an order of so many points exceeds it; 0 when it fits."""
        return max(0, points - self.left)

    @property
    def told(self) -> str:
        """What is left, and when it renews: one sentence."""
        text = (
            _("Left of your company’s budget this quarter: %(left)s of %(limit)s points.")
            if self.of_company
            else _("Left of your limit this month: %(left)s of %(limit)s points.")
        )
        return " ".join([text % self._facts, self.renewal])

    @property
    def renewal(self) -> str:
        return _("It renews on %(day)s.") % self._facts

    def refusal(self, points: int) -> str:
        """Why an order of so many points cannot be placed."""
        text = (
            _(
                "This is %(over)s points over the quarterly budget of %(who)s: %(left)s of "
                "%(limit)s points are left."
            )
            if self.of_company
            else _(
                "This is %(over)s points over the monthly limit of %(who)s: %(left)s of %(limit)s "
                "points are left."
            )
        )
        return " ".join([text % {**self._facts, "over": grouped(self.over(points))}, self.renewal])

    @property
    def _facts(self) -> dict[str, str]:
        return {
            "left": grouped(self.left),
            "limit": grouped(self.limit),
            "who": self.of_whom,
            "day": self.period.renews_told,
        }


class OverLimitError(RedemptionError):
    """An order costs more than a limit leaves. `allowances` are those that it exceeds."""

    def __init__(self, allowances: list[Allowance], points: int, then: str) -> None:
        self.allowances = allowances
        super().__init__(" ".join([*(each.refusal(points) for each in allowances), then]))


def allowances_of(seat: AccountManager) -> list[Allowance]:
    """What the seat may still order now, of its own limit and of its company's budget; empty where
    there is none of them. One query for each.
    """
    return list(_allowances(seat, seat.company, timezone.now(), Q()))


def hold_company(seat: AccountManager) -> None:
    """Lock the company where it has a budget, until the transaction ends. Before any seat of it is
    locked: so does whoever changes seats.
    """
    if seat.company.quarterly_budget is not None:
        list(Company.objects.select_for_update(no_key=True).filter(pk=seat.company_id))


def check_limits(seat: AccountManager, points: int) -> None:
    """Raise OverLimitError when an order of so many points is over a limit of now. Locks the seat
    where it has a limit, so that other orders that count with this one wait; `hold_company` came
    before.
    """
    exceeded = _exceeded(seat, points, timezone.now(), Q())
    if exceeded:
        raise OverLimitError(exceeded, points, _("Nothing was ordered."))


def check_approval(order: RedemptionOrder) -> None:
    """Raise OverLimitError when the order, which waits, does not fit into the limits of now beside
    what went ahead in its period. They may have been lowered since it was placed. Locks as placing
    does.
    """
    seat, points = _seat_of(order), order.total_points
    hold_company(seat)
    exceeded = _exceeded(seat, points, order.created_at, _WENT_AHEAD)
    if exceeded:
        told = _("The order keeps waiting: an owner can raise the limit, or it is not approved.")
        raise OverLimitError(exceeded, points, told)


def over_if_approved(order: RedemptionOrder) -> list[str]:
    """Why the order, which waits, could not be approved now by the limits: a sentence for each.
    Locks nothing; approving asks again.
    """
    found = _allowances(_seat_of(order), order.company, order.created_at, _WENT_AHEAD)
    return [each.refusal(order.total_points) for each in found if each.over(order.total_points)]


def _seat_of(order: RedemptionOrder) -> AccountManager:
    """The order's seat with the company that was loaded with the order."""
    seat: AccountManager = order.account_manager
    seat.company = order.company
    return seat


def _exceeded(seat: AccountManager, points: int, at: datetime, which: Q) -> list[Allowance]:
    if seat.monthly_limit is None and seat.company.quarterly_budget is None:
        return []
    now = held_now(seat)
    return [each for each in _allowances(now, now.company, at, which) if each.over(points)]


def held_now(seat: AccountManager) -> AccountManager:
    """The seat and its company as they are now; the seat is locked until the transaction ends."""
    held = AccountManager.objects.select_for_update(no_key=True, of=("self",))
    return held.select_related("company", "user").get(pk=seat.pk)


def used_by_seats(company: Company) -> dict[UUID, int]:
    """The points that count for each seat of the company in this month; seats without orders are
    not named.
    """
    period = month_of(company, timezone.now())
    return _by("account_manager", Q(company=company.pk), period)


def used_by_month(seat: AccountManager) -> list[tuple[date, int]]:
    """The points that count for the seat in each of the last months, by their first day, this month
    first. Two queries.
    """
    company, zone = seat.company, ZoneInfo(zone_of(seat.company))
    periods = [month_of(company, timezone.now())]
    while len(periods) < MONTHS_SHOWN:
        periods.append(month_of(company, periods[-1].start - timedelta(days=1)))
    placed = RedemptionOrder.objects.filter(
        account_manager=seat.pk, created_at__gte=periods[-1].start, created_at__lt=periods[0].end
    ).order_by()
    month = TruncMonth("created_at", tzinfo=zone)
    spent = placed.exclude(status__in=_COME_TO_NOTHING).values_list(month)
    found: dict[datetime, int] = dict(spent.annotate(points=Sum("total_points")))
    back = _went_back(placed).values_list(TruncMonth("order__created_at", tzinfo=zone))
    for start, points in back.annotate(points=_SIGNED):
        found[start] = found.get(start, 0) - points
    by_day = {start.date(): points for start, points in found.items()}
    firsts = [local_day(period.start, zone.key) for period in periods]
    return [(first, by_day.get(first, 0)) for first in firsts]


def budget_of(company: Company) -> Allowance | None:
    """The company's budget with what is used of it in this quarter; None where it has none."""
    return _of_company(company, timezone.now(), Q())


def _allowances(
    seat: AccountManager, company: Company, at: datetime, which: Q
) -> Iterator[Allowance]:
    if seat.monthly_limit is not None:
        month = month_of(company, at)
        used = _used(Q(account_manager=seat.pk) & which, month)
        yield Allowance(seat.monthly_limit, used, month, of_company=False, of_whom=str(seat.user))
    if budget := _of_company(company, at, which):
        yield budget


def _of_company(company: Company, at: datetime, which: Q) -> Allowance | None:
    if company.quarterly_budget is None:
        return None
    quarter = quarter_of(company, at)
    used = _used(Q(company=company.pk) & which, quarter)
    limit = company.quarterly_budget
    return Allowance(limit, used, quarter, of_company=True, of_whom=company.name)


def _used(scope: Q, period: LimitPeriod) -> int:
    return sum(_by("company", scope, period).values())


def _by(name: str, scope: Q, period: LimitPeriod) -> dict[UUID, int]:
    """The points that count of these orders of a period, by a column of the order."""
    placed = RedemptionOrder.objects.filter(
        scope, created_at__gte=period.start, created_at__lt=period.end
    ).order_by()
    spent = placed.exclude(status__in=_COME_TO_NOTHING).values_list(name)
    found: dict[UUID, int] = dict(spent.annotate(points=Sum("total_points")))
    for key, points in _went_back(placed).values_list(f"order__{name}").annotate(points=_SIGNED):
        found[key] = found.get(key, 0) - points
    return found


_SIGNED = Sum(
    Case(
        When(transaction_type=TransactionType.CORRECTION, then=-F("points_amount")),
        default=F("points_amount"),
        output_field=BigIntegerField(),
    )
)


def _went_back(orders: QuerySet[RedemptionOrder]) -> QuerySet[LoyaltyTransaction]:
    """The credits of these orders, which are never dropped once they are intended, and the
    corrections, which take again. Of a cancelled order all points went back, and it counts for
    nothing but its corrections.
    """
    counts = Q(transaction_type=TransactionType.CORRECTION) | Q(
        ~Q(order__status=OrderStatus.CANCELLED), transaction_type=TransactionType.CREDIT
    )
    rows = LoyaltyTransaction.objects.filter(counts, order__in=orders).order_by()
    return rows.exclude(status=TransactionStatus.REFUSED)
