"""Whether an order needs approval, and why (docs/operations.md, Approvals)."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.models import AccountManager
from accounts.selectors import seats_of_same_person
from loyalty_portal.data.texts.numbers import grouped
from redemption.models import RedemptionOrder
from redemption.states import OrderStatus

# The statuses of orders that cost no points in the end.
_CAME_TO_NOTHING = (
    OrderStatus.DECLINED,
    OrderStatus.CANCELLED,
    OrderStatus.REJECTED,
    OrderStatus.EXPIRED,
)


@dataclass(frozen=True, slots=True)
class Need:
    """Why an order needs approval. `before`: points of the earlier orders that count with it; the
    sum exceeds `threshold` points.
    """

    threshold: int
    before: int

    @property
    def why(self) -> str:
        """One sentence for the buyer and for the approver."""
        facts = {
            "threshold": grouped(self.threshold),
            "before": grouped(self.before),
            "hours": settings.APPROVAL_WINDOW_HOURS,
        }
        if not self.before:
            return (
                _("More than %(threshold)s points need approval by an owner or approver.") % facts
            )
        return (
            _(
                "With the %(before)s points ordered in the last %(hours)s hours this is more than"
                " %(threshold)s points, which needs approval by an owner or approver."
            )
            % facts
        )


def approval_need(seat: AccountManager, points: int) -> Need | None:
    """Why an order of this many points by this seat needs approval; None when it needs none.

    Makes one query, and only where the company has a threshold that the order alone does not
    exceed. The caller holds the lock that keeps the other orders that count from being placed
    meanwhile.
    """
    threshold = seat.company.approval_threshold
    if threshold is None:
        return None
    if points > threshold:
        return Need(threshold, 0)
    before = _went_ahead(seat)
    return Need(threshold, before) if points + before > threshold else None


def _went_ahead(seat: AccountManager) -> int:
    """The points of the orders within the window that nobody else has approved: of the seat, and of
    those behind which the same people are. Otherwise whoever makes keys would have a threshold for
    each.
    """
    if not settings.APPROVAL_WINDOW_HOURS:
        return 0
    window = timedelta(hours=settings.APPROVAL_WINDOW_HOURS)
    orders = RedemptionOrder.objects.filter(
        account_manager__in=seats_of_same_person(seat),
        created_at__gt=Now() - window,
        approve_by=None,
    ).exclude(status__in=_CAME_TO_NOTHING)
    total: int = orders.aggregate(total=Sum("total_points", default=0))["total"]
    return total
