"""Who may work on what at the desk. Statuses that allow it are in states.py."""

from django.db.models import Q

from fulfillment.models import Fulfillment
from loyalty_portal.data.actor import Actor


def has_claimed(actor: Actor, parcel: Fulfillment) -> bool:
    """Whether the actor has claimed the fulfillment."""
    return parcel.claimed_by_id is not None and parcel.claimed_by_id == actor.user_id


def may_work_on(actor: Actor, parcel: Fulfillment) -> bool:
    """Whether the actor may work on the fulfillment: nobody or the actor has claimed it."""
    return parcel.claimed_by_id is None or has_claimed(actor, parcel)


def may_take_over(actor: Actor, parcel: Fulfillment) -> bool:
    """Whether the actor may take the fulfillment over from a colleague who has claimed it."""
    return not may_work_on(actor, parcel)


# The same questions as conditions for lists.
FREE = Q(claimed_by=None)


def claimed(actor: Actor) -> Q:
    """The database condition for fulfillments for which `has_claimed` is true."""
    return Q(claimed_by=actor.user_id, claimed_by__isnull=False)


def to_take_over(actor: Actor) -> Q:
    """The database condition for fulfillments for which `may_take_over` is true."""
    return ~FREE & ~claimed(actor)
