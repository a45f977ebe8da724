"""Whether an order needs somebody's yes, and why (docs/operations.md, Approvals)."""

from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.models import AccountManager
from redemption.models import RedemptionOrder
from redemption.states import OrderStatus

# Orders that took nothing for good.
_CAME_TO_NOTHING = (
    OrderStatus.DECLINED,
    OrderStatus.CANCELLED,
    OrderStatus.REJECTED,
    OrderStatus.EXPIRED,
)


@dataclass(frozen=True, slots=True)
class Need:
    """An order needs a yes: with what went ahead `before` it is more than `threshold` points."""

    threshold: int
    before: int

    @property
    def why(self) -> str:
        """One sentence for the buyer, and for whoever decides."""
        facts = {
            "threshold": f"{self.threshold:,}",
            "before": f"{self.before:,}",
            "hours": settings.APPROVAL_WINDOW_HOURS,
        }
        if not self.before:
            return _("More than %(threshold)s points need a yes from an owner or approver.") % facts
        return (
            _(
                "With the %(before)s points ordered in the last %(hours)s hours this is more than "
                "%(threshold)s points, which needs a yes from an owner or approver."
            )
            % facts
        )


def approval_need(seat: AccountManager, points: int) -> Need | None:
    """Why an order of so many points by this seat needs somebody's yes; None when it needs none.

    One query, and only where the company has a threshold and the order alone does not exceed it.
    Whoever is about to place the order has made the seat's others wait before.
    """
    threshold = seat.company.approval_threshold
    if threshold is None:
        return None
    if points > threshold:
        return Need(threshold, 0)
    before = _went_ahead(seat)
    return Need(threshold, before) if points + before > threshold else None


def _went_ahead(seat: AccountManager) -> int:
    """Points of the seat's orders within the window to which nobody else said yes."""
    if not settings.APPROVAL_WINDOW_HOURS:
        return 0
    window = timedelta(hours=settings.APPROVAL_WINDOW_HOURS)
    orders = RedemptionOrder.objects.filter(
        account_manager=seat.pk, created_at__gt=Now() - window, approve_by=None
    ).exclude(status__in=_CAME_TO_NOTHING)
    total: int = orders.aggregate(total=Sum("total_points", default=0))["total"]
    return total
