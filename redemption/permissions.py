"""What a seat may do with its company's orders. Statuses that allow it are in states.py."""

from accounts.models import AccountManager
from accounts.permissions import may_approve, may_redeem, may_see_codes
from redemption.models import RedemptionOrder


def may_decide(seat: AccountManager, order: RedemptionOrder) -> bool:
    """Whether the seat may approve or reject the order. Nobody decides on their own order."""
    return may_approve(seat) and order.account_manager.user_id != seat.user_id


def may_cancel(seat: AccountManager, order: RedemptionOrder) -> bool:
    """Whether the seat may cancel the order: its own order, or any order for approvers."""
    return _own_or_approver(seat, order) and may_redeem(seat)


def may_reveal(seat: AccountManager, order: RedemptionOrder) -> bool:
    """Whether the seat may see the codes of the order."""
    return _own_or_approver(seat, order) and may_see_codes(seat)


def _own_or_approver(seat: AccountManager, order: RedemptionOrder) -> bool:
    return may_approve(seat) or order.account_manager_id == seat.pk
