"""What each role may do in a company. Statuses that allow an action are in states.py."""

from accounts.models import AccountManager, Role


def may_redeem(seat: AccountManager) -> bool:
    """Whether the seat may fill a cart, and place and cancel orders."""
    return seat.role in {Role.OWNER, Role.APPROVER, Role.BUYER}


def may_approve(seat: AccountManager) -> bool:
    """Whether the seat may decide on orders above the threshold (never on its own)."""
    return seat.role in {Role.OWNER, Role.APPROVER}


def may_see_codes(seat: AccountManager) -> bool:
    """Whether the seat may see virtual codes."""
    return may_redeem(seat)
