"""Who may work on what at the desk. Statuses that allow it are in states.py."""

from django.db.models import Q
from django.db.models.functions import Now

from fulfillment.models import Fulfillment
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


def may_do(actor: Actor, what: str) -> bool:
    """Whether the actor is staff who may do this at the desk: WORK, TAKE_OVER or ASSIGN."""
    return actor.has_perm(f"fulfillment.{what}")
