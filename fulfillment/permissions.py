"""Who may work on what at the desk. The statuses that allow it are in states.py."""

from django.db.models import Q

from fulfillment.models import Fulfillment
from loyalty_portal.data.actor import Actor


def has_claimed(actor: Actor, parcel: Fulfillment) -> bool:
    """Whether they work on it."""
    return parcel.claimed_by_id is not None and parcel.claimed_by_id == actor.user_id


def may_work_on(actor: Actor, parcel: Fulfillment) -> bool:
    """Whether it is free or their own: nobody works on what a colleague has claimed."""
    return parcel.claimed_by_id is None or has_claimed(actor, parcel)


def may_take_over(actor: Actor, parcel: Fulfillment) -> bool:
    """Whether there is a colleague from whom they could take it over."""
    return not may_work_on(actor, parcel)


# The same for lists.
FREE = Q(claimed_by=None)


def claimed(actor: Actor) -> Q:
    """What `has_claimed` is true of."""
    return Q(claimed_by=actor.user_id, claimed_by__isnull=False)


def to_take_over(actor: Actor) -> Q:
    """What `may_take_over` is true of."""
    return ~FREE & ~claimed(actor)
