"""Gives the points of some units of a line back, although they were supplied: because staff say so,
or because they came back.

About few points one person decides (CREDIT_LIMIT_POINTS, for all that was decided so about an order
together). About more, one person proposes and another confirms.
"""

from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from fulfillment import services as fulfillments
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.lifecycle import StaleStatusError
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.data.texts.numbers import grouped
from redemption.models import Decision, LineReturn, OrderItem, RedemptionOrder
from redemption.orders.actions.dual_control import agree, disagree, proposed, put_forward, too_late
from redemption.orders.actions.services import is_being_taken
from redemption.permissions import may_credit_units, may_decide_credit, recorded
from redemption.saga.credits import intend_credit
from redemption.saga.steps import RedemptionError, locked, must
from redemption.states import ABOUT_UNITS, DecisionStatus, OrderStatus, Verdict

# The debit succeeded, so that something can be given back.
_TAKEN = frozenset({OrderStatus.CONFIRMED, OrderStatus.IN_FULFILLMENT, OrderStatus.COMPLETED})


@transaction.atomic
def credit_units(*, item: OrderItem, units: int, reason: str, by: Actor, seen: int) -> str:
    """Give the points of so many units back, or propose it above the limit. Returns a sentence.

    The units are supplied all the same. `seen`: units of the line whose points had gone back when
    the actor looked, so that no form gives them back twice. Raises RedemptionError when the points
    of the order were not taken, or fewer units are left, or something about the line is proposed.
    """
    must(may_credit_units(by))
    order, held = _held(item)
    if seen != held.quantity_refunded:
        raise RedemptionError(
            _("Points of this line went back since the page was made. Look again.")
        )
    if why := _why_not(order, held, units):
        raise RedemptionError(why)
    return _decide(
        Decision(
            item=held,
            verdict=Verdict.CREDIT_UNITS,
            units=units,
            evidence=reason,
            proposed_by_id=by.person_id,
        ),
        order,
        by,
    )


@transaction.atomic
def decide_return(*, returned: LineReturn, units: int, reason: str, by: Actor) -> str:
    """Decide how many of the units that came back get their points back, 0 for none; above the
    limit it is proposed. Returns a sentence.

    Raises RedemptionError for the person who recorded the return, when it was decided about, when
    so many did not come back, or when something about the line is proposed.
    """
    must(may_decide_credit(by))
    order, item = _held(returned.item)
    due = LineReturn.objects.get(pk=returned.pk)
    if why := _not_about(due, units, by) or (units and _why_not(order, item, units)):
        raise RedemptionError(why)
    return _decide(
        Decision(
            item=item,
            verdict=Verdict.RETURNED,
            units=units,
            returned=due,
            evidence=reason,
            proposed_by_id=by.person_id,
        ),
        order,
        by,
    )


def confirm(*, item: OrderItem, by: Actor, proposal: UUID | None = None) -> str:
    """Confirm the proposal as second person: its points go back. Returns a sentence.

    `proposal` is the one that the person read. Raises RedemptionError for the person who proposed
    it or recorded the return, when no proposal or another one is open, or when the units were
    credited otherwise meanwhile; then the proposal is closed.
    """
    told = _confirm(item, by, proposal)
    if told is None:
        raise too_late()
    return told


@transaction.atomic
def _confirm(item: OrderItem, by: Actor, proposal: UUID | None) -> str | None:
    must(may_decide_credit(by))
    order, held = _held(item)
    decision = _proposed(held, by, proposal)
    if why := _why_not(order, held, decision.units or 0):
        decision.transition(DecisionStatus.OVERTAKEN, by=by, reason=why)
        return None
    agree(decision, by)
    return _carry_out(decision, order, by)


@transaction.atomic
def reject(*, item: OrderItem, reason: str, by: Actor, proposal: UUID | None = None) -> None:
    """Reject the proposal as second person; another may be made, and a return stays due.

    Raises RedemptionError for the person who proposed it or recorded the return, or when none is
    open.
    """
    must(may_decide_credit(by))
    _order, held = _held(item)
    disagree(_proposed(held, by, proposal), by, reason)


def _proposed(item: OrderItem, by: Actor, proposal: UUID | None) -> Decision:
    decision = proposed(item.decisions.filter(verdict__in=ABOUT_UNITS), by, proposal)
    if decision.returned and recorded(by, decision.returned):
        raise RedemptionError(_yourself())
    return decision


def _held(item: OrderItem) -> tuple[RedemptionOrder, OrderItem]:
    """The order and the line as they are now. The fulfillment is locked before them, because news
    of it changes the line's units.
    """
    parcel = fulfillments.find(item.pk)
    if parcel is not None:
        fulfillments.locked(parcel)
    order = locked(item.order_id)
    if parcel is None and fulfillments.find(item.pk) is not None:
        raise StaleStatusError(f"{item} was passed on just now")
    return order, OrderItem.objects.get(pk=item.pk)


def _why_not(order: RedemptionOrder, item: OrderItem, units: int) -> str:
    """Why the points of so many units cannot be given back, in a sentence; "" when they can."""
    left = item.quantity_chargeable
    if order.status not in _TAKEN:
        return _("Points can be given back once they are taken; this order is “%(status)s”.") % {
            "status": order.get_status_display().lower()
        }
    if is_being_taken(item.pk):
        return _("Points of this line are being taken again. Wait until that has ended.")
    if not left:
        return _("The points of all units of this line went back already.")
    if not 1 <= units <= left:
        told = _("Points of %(left)s units were not given back yet, so say 1 to %(left)s.")
        return told % {"left": left}
    return ""


def _not_about(due: LineReturn, units: int, by: Actor) -> str:
    """Why the actor cannot decide this about a return, in a sentence; "" when they can."""
    if due.decided_at:
        return _("It was decided about this already.")
    if recorded(by, due):
        return _yourself()
    if not 0 <= units <= due.units:
        told = _("%(all)s came back: give the points of 0 to %(all)s back.")
        return told % {"all": due.units}
    return ""


def _yourself() -> str:
    return _("You recorded that it came back, so somebody else must decide about its points.")


def _decide(decision: Decision, order: RedemptionOrder, by: Actor) -> str:
    """Write the decision down, and carry it out when one person may decide it alone."""
    put_forward(decision, by)
    limit = settings.CREDIT_LIMIT_POINTS
    if decision.points and decision.points + _decided_alone(order) > limit:
        told = _(
            "Proposed. One person may give back %(limit)s points of an order, so a second person "
            "must confirm it."
        )
        return told % {"limit": grouped(limit)}
    decision.transition(
        DecisionStatus.CONFIRMED,
        by=by,
        reason=kept(lambda: _("Decided by one person: %(verdict)s.") % {"verdict": decision.told}),
        decided_at=timezone.now(),
        alone_up_to=limit,
    )
    return _carry_out(decision, order, by)


def _decided_alone(order: RedemptionOrder) -> int:
    """The points of the order about which one person alone decided so far."""
    decided = Decision.objects.filter(
        item__order=order.pk,
        verdict__in=ABOUT_UNITS,
        status=DecisionStatus.CONFIRMED,
        decided_by=None,
    )
    points = decided.aggregate(sum=Sum(F("units") * F("item__points_per_item")))["sum"]
    return int(points or 0)


def _carry_out(decision: Decision, order: RedemptionOrder, by: Actor) -> str:
    units = decision.units or 0
    if decision.returned:
        LineReturn.objects.filter(pk=decision.returned.pk).update(
            decided_at=timezone.now(), credited=units
        )
    item = decision.item
    if not (units and item):
        return _("Decided. No points go back.")
    OrderItem.objects.filter(pk=item.pk).update(
        quantity_credited=F("quantity_credited") + units,
        quantity_refunded=F("quantity_refunded") + units,
    )
    intend_credit(order, decision.points, units=units, item=item, reason=decision.evidence, by=by)
    told = ngettext(
        "The points of %(n)s unit go back: %(points)s.",
        "The points of %(n)s units go back: %(points)s.",
        units,
    )
    return told % {"n": grouped(units), "points": grouped(decision.points)}
