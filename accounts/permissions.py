"""What an actor may do for a company, by the role of the actor's seat."""

from accounts.models import Role
from loyalty_portal.data.actor import Actor

_REDEEM = frozenset({Role.OWNER, Role.APPROVER, Role.BUYER})
_APPROVE = frozenset({Role.OWNER, Role.APPROVER})


def may_redeem(actor: Actor) -> bool:
    """Whether they may fill a cart, and place and cancel orders."""
    return actor.seat is not None and actor.seat.role in _REDEEM


def may_approve(actor: Actor) -> bool:
    """Whether they may decide on orders above the threshold (never on their own)."""
    return actor.seat is not None and actor.seat.role in _APPROVE


def may_see_codes(actor: Actor) -> bool:
    """Whether they may see virtual codes."""
    return may_redeem(actor)
