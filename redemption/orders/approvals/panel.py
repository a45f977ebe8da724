"""What an approver reads about one order: all that the buyer saw, and what has changed since."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from catalog.models import ProductType, StockStatus
from redemption.checkout.approvals.asking import people_asked
from redemption.checkout.limits import over_if_approved
from redemption.models import OrderItem, RedemptionOrder
from redemption.models.messages import TO_APPROVERS
from redemption.models.orders import signed
from redemption.models.waits import is_past_its_date
from redemption.orders.approvals.selectors import Approval

LINES = 20


@dataclass(frozen=True, slots=True)
class LineSeen:
    """A line as the buyer placed it, with its message as the recipient gets it."""

    item: OrderItem
    message: str
    is_late: bool  # its date passed while it waited


@dataclass(frozen=True, slots=True)
class Panel:
    """The one object of the panel's template."""

    approval: Approval
    lines: list[LineSeen]
    more: int  # lines that are not shown
    since: list[str]  # what changed: names, points, offers, and stock
    over: list[str]  # why limits forbid the approval now
    asked: list[str]  # the names of those who were asked

    @property
    def order(self) -> RedemptionOrder:
        return self.approval.order


def panel_of(approval: Approval) -> Panel:
    """Read the panel of one order that waits."""
    order = approval.order
    items = order.items.select_related("product")[:LINES]
    letters = order.letters.filter(kind__in=TO_APPROVERS)
    return Panel(
        approval=approval,
        lines=[
            LineSeen(item, signed(item.message, order.account_manager), is_past_its_date(item))
            for item in items
        ],
        more=max(0, approval.lines - LINES),
        since=[*approval.since, *_sold_out(order)],
        over=over_if_approved(order),
        asked=people_asked(list(letters)),
    )


def _sold_out(order: RedemptionOrder) -> list[str]:
    """A sentence for each product of which nothing is left but what is held."""
    gone = order.products().filter(product_type=ProductType.PHYSICAL, stock_status=StockStatus.OUT)
    told = _("“%(product)s” is sold out by now; the pieces of this order are held.")
    return [
        told % {"product": name} for name in gone.order_by("name").values_list("name", flat=True)
    ]
