"""What waits for a person of a company, for the home page: the most urgent first."""

from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import AccountManager
from loyalty_portal.data.texts.numbers import grouped
from redemption.models import OrderMessage, OrderMessageKind, RedemptionOrder
from redemption.points.header.spending import Spending
from redemption.states import OrderStatus

LATELY = timedelta(days=7)  # for which an answer or a declined order is told
ASKED_OF = timedelta(days=60)  # how old the order of such an answer is at most
EXPIRING = timedelta(days=30)
MOST = 5  # orders


class Duty(NamedTuple):
    """Something that waits for the person: a sentence, and what leads to it."""

    icon: str
    told: str
    act: Any
    href: str


def duties_of(seat: AccountManager, spending: Spending) -> list[Duty]:
    """Approvals, answers of staff and declined orders of the seat, and points that expire soon.
    Makes one query.
    """
    return [*_approvals(spending), *_own_orders(seat), *_expiring(spending)]


def _approvals(spending: Spending) -> list[Duty]:
    orders = spending.header.approvals_count
    told = ngettext(
        "%(n)s order is waiting for your approval",
        "%(n)s orders are waiting for your approval",
        orders,
    )
    there = reverse("approvals:list")
    told = told % {"n": grouped(orders)}
    return [Duty("clipboard-check", told, _("Decide"), there)] if orders else []


def _own_orders(seat: AccountManager) -> list[Duty]:
    now = timezone.now()
    answers = OrderMessage.objects.filter(
        order=OuterRef("pk"), kind=OrderMessageKind.ANSWER, at__gte=now - LATELY
    )
    rows = RedemptionOrder.objects.filter(
        account_manager=seat.pk, created_at__gte=now - ASKED_OF
    ).annotate(answered=Exists(answers))
    declined = Q(status=OrderStatus.DECLINED, created_at__gte=now - LATELY)
    return [_own_order(order) for order in rows.filter(Q(answered=True) | declined)[:MOST]]


def _own_order(order: Any) -> Duty:
    """Tell a row of `_own_orders`."""
    there, facts = order.get_absolute_url(), {"number": order.order_number}
    if order.answered:
        told = _("Your question about order %(number)s was answered.") % facts
        return Duty("mail", told, _("Read the answer"), there)
    told = _("Order %(number)s was declined; no points were taken.") % facts
    return Duty("circle-x", told, _("See why"), there)


def _expiring(spending: Spending) -> list[Duty]:
    until = timezone.localdate() + EXPIRING
    soon = [lapse for lapse in spending.expiring if lapse.day <= until]
    if not soon:
        return []
    told = _("%(points)s points expire by %(day)s.") % {
        "points": grouped(sum(lapse.points for lapse in soon)),
        "day": date_format(soon[-1].day),
    }
    return [Duty("clock", told, _("Redeem them"), reverse("catalog:list"))]
