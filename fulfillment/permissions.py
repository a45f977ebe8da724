"""Who may work on what at the desk, and when people may decide. Statuses that allow it are in
states.py.
"""

from collections.abc import Iterable

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from fulfillment.models import CallKind, Fulfillment, PartnerCall
from fulfillment.states import OPEN_CALL, FulfillmentStatus
from loyalty_portal.data.actor import Actor


def has_claimed(actor: Actor, parcel: Fulfillment) -> bool:
    """Whether the actor has claimed the fulfillment, and the claim has not ended."""
    return parcel.is_claimed and parcel.claimed_by_id == actor.user_id


def may_work_on(actor: Actor, parcel: Fulfillment) -> bool:
    """Whether the actor may work on the fulfillment: nobody or the actor has claimed it."""
    return not parcel.is_claimed or has_claimed(actor, parcel)


def may_take_over(actor: Actor, parcel: Fulfillment) -> bool:
    """Whether the actor may take the fulfillment over from a colleague who has claimed it."""
    return not may_work_on(actor, parcel)


# The same questions as conditions for lists.
_CLAIMED = Q(claimed_by__isnull=False) & (Q(claimed_until=None) | Q(claimed_until__gt=Now()))
FREE = Q(claimed_by=None) | Q(claimed_until__lte=Now())


def claimed(actor: Actor) -> Q:
    """The database condition for fulfillments for which `has_claimed` is true."""
    return Q(claimed_by=actor.user_id) & _CLAIMED


def to_take_over(actor: Actor) -> Q:
    """The database condition for fulfillments for which `may_take_over` is true."""
    return _CLAIMED & ~Q(claimed_by=actor.user_id)


WORK, TAKE_OVER, ASSIGN = "work_desk", "take_over_work", "assign_work"
CORRECT = "correct_recipient"  # also for lines that are not at the desk yet


def may_do(actor: Actor, what: str) -> bool:
    """Whether the actor is staff who may do this at the desk: one of the four above."""
    return actor.has_perm(f"fulfillment.{what}")


def nothing_to_decide(held: Fulfillment, calls: Iterable[PartnerCall]) -> str:
    """Why people cannot decide about it (yet), in a sentence; "" when they can.

    `calls` are all of its calls.
    """
    if held.status != FulfillmentStatus.REQUESTED:
        told = _("There is nothing to decide any more: it is “%(status)s”.")
        return told % {"status": held.get_status_display().lower()}
    if any(call.kind == CallKind.REQUEST and call.status in OPEN_CALL for call in calls):
        return _("The partner is still being asked, which is safe, and may tell us.")
    if not held.attention and held.promised_by > timezone.now():
        return _("The partner is working on it, and in time.")
    return ""
