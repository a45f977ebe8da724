"""Who may do what in a company. When it is allowed is for states.py."""

from accounts.models import AccountManager, Role


def may_redeem(seat: AccountManager) -> bool:
    """Fill a cart, place and cancel orders."""
    return seat.role in {Role.OWNER, Role.APPROVER, Role.BUYER}


def may_approve(seat: AccountManager) -> bool:
    """Decide on orders above the threshold (never on one's own)."""
    return seat.role in {Role.OWNER, Role.APPROVER}


def may_see_codes(seat: AccountManager) -> bool:
    """Have virtual codes shown."""
    return may_redeem(seat)
