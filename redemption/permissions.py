"""Who may do what with an order of their company. When it is allowed is for states.py."""

from accounts.models import AccountManager
from accounts.permissions import may_approve, may_redeem, may_see_codes
from redemption.models import RedemptionOrder


def may_decide(seat: AccountManager, order: RedemptionOrder) -> bool:
    """Approve or reject it; nobody does so for their own."""
    return may_approve(seat) and order.account_manager.user_id != seat.user_id


def may_cancel(seat: AccountManager, order: RedemptionOrder) -> bool:
    """One's own; those who approve may cancel anybody's."""
    return _own_or_approver(seat, order) and may_redeem(seat)


def may_reveal(seat: AccountManager, order: RedemptionOrder) -> bool:
    """Have its codes shown: they are as good as money."""
    return _own_or_approver(seat, order) and may_see_codes(seat)


def _own_or_approver(seat: AccountManager, order: RedemptionOrder) -> bool:
    return may_approve(seat) or order.account_manager_id == seat.pk
