"""Decides what became of a virtual delivery when only people can find out: one proposes, another
confirms.

The partner may still answer. Before the confirmation its answer counts, and the proposal is closed;
after it, the answer comes after the end, and a person looks at it.
"""

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from fulfillment import services as fulfillments
from fulfillment.models import Channel, Fulfillment
from fulfillment.permissions import nothing_to_decide
from fulfillment.virtual.services import settle_by_hand
from loyalty_portal.data.actor import Actor
from redemption.models import Decision, IncidentCase, OrderItem
from redemption.orders.actions.dual_control import (
    agree,
    disagree,
    end_incidents,
    proposed,
    put_forward,
    too_late,
)
from redemption.saga.steps import RedemptionError, locked
from redemption.states import ABOUT_A_DELIVERY, DecisionStatus, IncidentKind, Verdict

_ABOUT_THE_OUTCOME = (IncidentKind.HORIZON, IncidentKind.CONTRADICTION)


@transaction.atomic
def propose(*, item: OrderItem, came: int, evidence: str, by: Actor) -> Decision:
    """Propose how many of the line's units the partner delivered, for a second person to confirm.

    Raises RedemptionError when the number is not possible, there is nothing to decide (yet),
    another proposal is open, or the evidence is missing.
    """
    held = _held(item)
    if why := _settled(held):
        raise RedemptionError(why)
    locked(item.order_id)
    if not 0 <= came <= item.quantity:
        raise RedemptionError(
            _("Say how many came: %(all)s were ordered, so 0 to %(all)s.") % {"all": item.quantity}
        )
    return put_forward(
        Decision(
            item=item,
            verdict=Verdict.DELIVERED if came else Verdict.UNDELIVERED,
            missing=item.quantity - came if came else 0,
            evidence=evidence,
            proposed_by_id=by.person_id,
        ),
        by,
    )


def confirm(*, item: OrderItem, by: Actor, proposal: UUID | None = None) -> str:
    """Confirm the proposal as second person: its outcome counts as if the partner had given it.
    Returns a sentence.

    `proposal` is the one that the person read. Raises RedemptionError for the person who proposed
    it, when no proposal or another one is open, or when the delivery was settled meanwhile.
    """
    told = _confirm(item, by, proposal)
    if told is None:
        raise too_late()
    return told


@transaction.atomic
def _confirm(item: OrderItem, by: Actor, proposal: UUID | None) -> str | None:
    held = _held(item)
    locked(item.order_id)
    decision = proposed(item.decisions.filter(verdict__in=ABOUT_A_DELIVERY), by, proposal)
    if why := _settled(held):
        decision.transition(DecisionStatus.OVERTAKEN, by=by, reason=why)
        return None
    agree(decision, by)
    settle_by_hand(held=held, came=decision.came, by=by)
    end_incidents(_open_cases(item), decision, by)
    if decision.came == item.quantity:
        return _("Confirmed. The line is delivered.")
    if decision.came:
        return _("Confirmed. The points of what is missing go back.")
    return _("Confirmed. The points go back.")


@transaction.atomic
def reject(*, item: OrderItem, reason: str, by: Actor, proposal: UUID | None = None) -> None:
    """Reject the proposal as second person; another may be made.

    Raises RedemptionError for the person who proposed it, or when none is open.
    """
    locked(item.order_id)
    waiting = item.decisions.filter(verdict__in=ABOUT_A_DELIVERY)
    disagree(proposed(waiting, by, proposal), by, reason)


def _held(item: OrderItem) -> Fulfillment:
    rows = Fulfillment.objects.filter(reference=item.pk, channel=Channel.PARTNER)
    fulfillment = rows.first()
    if fulfillment is None:
        raise RedemptionError(_("This line is not with the partner."))
    return fulfillments.locked(fulfillment)


def _settled(held: Fulfillment) -> str:
    return nothing_to_decide(held, held.calls.all())


def _open_cases(item: OrderItem) -> list[IncidentCase]:
    about = item.order.incident_cases.unended().filter(facts__line=str(item.pk))
    return list(about.filter(incident__kind__in=_ABOUT_THE_OUTCOME).order_by("incident_id"))
