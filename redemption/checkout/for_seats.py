"""Places an order for a seat that asked staff for it, by the rules of the seat's own orders."""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from accounts.layout import Header
from accounts.models import AccountManager
from accounts.permissions import may_redeem
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.queue.pause import is_paused
from redemption.checkout.services import (
    CheckoutInput,
    Line,
    halted,
    place_order,
)
from redemption.models import RedemptionOrder
from redemption.permissions import may_order_for
from redemption.saga.steps import RedemptionError, must_be_staff


def why_not(seat: AccountManager, by: Actor) -> str:
    """Why staff place no order for this seat; "" when they may."""
    if by.user_id == seat.user_id:
        return _("This is your own seat. Order in the portal, as everybody of the company does.")
    if not seat.is_usable:
        return _("The seat, its person or its company is switched off, so nothing is ordered.")
    if not may_redeem(Actor.in_seat(seat)):
        return _("%(who)s may look, and not order: the seat is a viewer's.") % {"who": seat.user}
    return ""


def too_few(header: Header, points: int) -> str:
    """Why the balance does not reach; "" when it does, or when nobody knows it for sure. The
    partner decides in the end.
    """
    if header.spendable is None or header.stale or points <= header.spendable:
        return ""
    facts = {"points": grouped(points), "spendable": grouped(header.spendable)}
    return _("It costs %(points)s points; the company can spend %(spendable)s.") % facts


def held_up(seat: AccountManager, lines: Sequence[Line]) -> str:
    """Why nothing can be ordered now (a pause, or a problem of a partner); "" when it can."""
    if is_paused():
        return _("Nothing can be redeemed at the moment: the portal is paused.")
    return halted(seat, [line.product for line in lines], points_of(lines))


def points_of(lines: Sequence[Line]) -> int:
    """What the lines cost together."""
    return sum(line.quantity * line.product.points_cost for line in lines)


def nothing_ordered(why: str) -> str:
    """The reason, and that nothing was ordered."""
    return _("%(why)s Nothing was ordered.") % {"why": why}


def place_for(
    *,
    seat: AccountManager,
    lines: Sequence[Line],
    entered: CheckoutInput,
    header: Header,
    by: Actor,
) -> RedemptionOrder:
    """Place one order for the seat. `entered.asked` says who asked for it, and when.

    The same form returns the order that it placed before. Raises RedemptionError with a sentence,
    and then changes nothing.
    """
    must_be_staff(may_order_for(by), _("place orders for companies"))
    # Read once: a concurrent submit of the same form may place the order between two reads.
    if placed := RedemptionOrder.objects.filter(token=entered.token).first():
        if placed.account_manager_id == seat.pk:
            return placed
        raise RedemptionError(_("This form placed an order for another seat. Open a new one."))
    if not entered.asked.strip():
        raise RedemptionError(_("Say who asked for the order, and when."))
    for why in (
        why_not(seat, by),
        held_up(seat, lines),
        too_few(header, points_of(lines)),
    ):
        if why:
            raise RedemptionError(nothing_ordered(why))
    return place_order(seat=seat, lines=lines, entered=entered, by=by)
