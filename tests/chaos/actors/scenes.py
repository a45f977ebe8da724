"""Faults that do harm only at a certain moment, played step by step on the running portal.

Each scene ends when its order has ended or waits for a person. It returns the names of the promises
that are broken then. With all guards there are none (test_crashes.py); without the scene's guard
there is at least one (test_guards.py).
"""

from __future__ import annotations

from django.db.models import QuerySet

from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.states import TransactionStatus
from tests.redemption.world import World
from tests.support.stack import Stack
from tests.support.visitor import Visitor
from tests.support.waiting import eventually

FOREVER = 600.0  # seconds, longer than any test
_BUSY = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'
"""
# Make the call two days old, with no worker at it since.
_LATER = """
    UPDATE loyalty_transaction
    SET first_sent_at = first_sent_at - interval '2 days', lease_until = now(), next_attempt_at = now()
    WHERE order_id = (SELECT id FROM redemption_order WHERE order_number = %s)
"""


def wait_for_call(stack: Stack, operation: str, fault: str) -> None:
    """Wait until a call to the operation hangs at the partner."""

    def hangs() -> object:
        return stack.sandbox.calls(operation=operation, fault=fault, outcome="running")

    eventually(hangs, f"the partner is asked to {operation}")


def lost_in_the_middle_of_a_call(stack: Stack, shop: World, visitor: Visitor) -> set[str]:
    """The partner takes the points, the caller dies before the answer, and the key is forgotten.

    That the call may have landed is known only because it was committed before the call.
    """
    stack.sweeper.stop()
    stack.sandbox.fault("debit", "timeout_after", seconds=FOREVER)
    number = visitor.redeem(shop.virtual().get_absolute_url())
    wait_for_call(stack, "debit", "timeout_after")
    stack.worker.kill()
    return _days_later(stack, number)


def told_by_who_lost_its_lease(stack: Stack, shop: World, visitor: Visitor) -> set[str]:
    """A worker whose own try did nothing is frozen before it can record that.

    Meanwhile another worker sends the debit, which succeeds, and dies. When the first worker wakes
    up, it must not record that nothing was taken.
    """
    stack.sweeper.stop()
    stack.sandbox.fault("debit", "expired_token", times=2)  # also for the second try
    stack.worker.pause()
    number = visitor.redeem(shop.virtual().get_absolute_url())
    order = "SELECT 1 FROM redemption_order WHERE order_number = %s FOR NO KEY UPDATE"
    with stack.holding(order, number) as wait_for:
        stack.worker.resume()
        wait_for(1)
        stack.worker.pause()
        stack.sandbox.fault("debit", "timeout_after", seconds=FOREVER)
        _debit(number).update(lease_until="2020-01-01T00:00Z")
        stack.sweeper.start()
        wait_for_call(stack, "debit", "timeout_after")
        stack.sweeper.kill()
    stack.worker.resume()
    eventually(lambda: not _is_busy(stack), "the worker is done")
    return _days_later(stack, number)


def _days_later(stack: Stack, number: str) -> set[str]:
    """Let the partner forget all keys. Returns the promises that are broken in the end."""
    stack.sandbox.dial(honour_keys=False)
    with stack.connect() as link:
        link.execute(_LATER, [number])
    stack.sweeper.start()

    def is_decided() -> bool:
        order = RedemptionOrder.objects.get(order_number=number)
        return order.is_final or order.needs_attention

    eventually(is_decided, f"{number} ends, or a person is asked")
    return {each.invariant.name for each in stack.violations(at_rest=False)}


def _debit(number: str) -> QuerySet[LoyaltyTransaction]:
    return LoyaltyTransaction.objects.filter(
        order__order_number=number, status=TransactionStatus.SENT
    )


def _is_busy(stack: Stack) -> bool:
    """Whether some process is in the middle of a database transaction."""
    with stack.connect() as link:
        row = link.execute(_BUSY).fetchone()
    return bool(row and row[0])
