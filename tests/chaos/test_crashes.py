"""Processes are killed with −9 at each step of the saga. Every order ends all the same, and no
point is lost, taken twice or given back twice.

To kill a process exactly at a step it is held there: by the partner, who does not answer, or by
PostgreSQL, where the test has locked a row. That it was there is seen from outside.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from fulfillment.models import Fulfillment, PartnerCall
from redemption.models import Callback, Letter, LoyaltyTransaction, RedemptionOrder
from redemption.states import OrderStatus, TransactionStatus
from tests.redemption.world import World
from tests.stack import Stack
from tests.visitor import Visitor, order_number
from tests.waiting import eventually

FOREVER = 600.0  # seconds; nobody waits for it


def kill_worker_at(stack: Stack, operation: str, fault: str) -> None:
    """Once a call hangs at the partner, its asker is no more."""

    def hangs() -> object:
        return stack.sandbox.calls(operation=operation, fault=fault, outcome="running")

    eventually(hangs, f"the worker asks the partner to {operation}")
    stack.worker.kill()


def the_order(number: str) -> RedemptionOrder:
    return RedemptionOrder.objects.get(order_number=number)


def was_left_in_the_middle() -> bool:
    """A dead process has the lease of some work."""
    kinds = (LoyaltyTransaction, PartnerCall, Callback, Letter)
    return any(kind.objects.filter(lease_until__isnull=False).exists() for kind in kinds)


def let_leases_run_out() -> None:
    """As if the time of the dead process's lease were over; those for letters take a minute."""
    for kind in (Callback, Letter):
        kind.objects.filter(lease_until__isnull=False).update(lease_until="2020-01-01T00:00Z")


def letters_of(number: str) -> list[str]:
    rows = Letter.objects.filter(order__order_number=number, sent_at__isnull=False)
    return sorted(rows.values_list("kind", flat=True))


@pytest.mark.parametrize(
    ("operation", "fault", "mode", "end"),
    [
        pytest.param("token", "timeout_before", "accept", "COMPLETED", id="before-debit-leaves"),
        pytest.param("debit", "timeout_before", "accept", "COMPLETED", id="partner-thinks"),
        pytest.param("debit", "timeout_after", "accept", "COMPLETED", id="after-debit"),
        pytest.param("fulfill", "timeout_before", "accept", "COMPLETED", id="during-request"),
        pytest.param("fulfill", "timeout_after", "accept", "COMPLETED", id="after-request"),
        pytest.param("credit", "timeout_before", "fail", "CANCELLED", id="during-credit"),
        pytest.param("credit", "timeout_after", "fail", "CANCELLED", id="after-credit"),
    ],
)
def test_worker_killed_while_it_asks_a_partner(
    stack: Stack,
    shop: World,
    visitor: Visitor,
    operation: str,
    fault: str,
    mode: str,
    end: str,
) -> None:
    stack.sweeper.stop()
    stack.sandbox.dial(mode=mode)
    stack.redis.flush()
    if operation == "token":
        # A process that starts now has no token yet.
        stack.worker.kill()
        stack.sandbox.fault(operation, fault, seconds=FOREVER)
        stack.worker.start()
    else:
        stack.sandbox.fault(operation, fault, seconds=FOREVER)
    number = visitor.redeem(shop.virtual().get_absolute_url())

    kill_worker_at(stack, operation, fault)

    assert was_left_in_the_middle()
    stack.sweeper.start()
    stack.worker.start()
    assert stack.ends(number) == [end]
    assert not stack.violations()


def test_worker_killed_while_the_partner_refuses(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """The stock goes back once, and nothing was taken."""
    stack.sweeper.stop()
    stack.sandbox.account(shop.company.loyalty_account_id, 1)
    stack.sandbox.fault("debit", "timeout_after", seconds=FOREVER)
    book = shop.product(stocked=3)
    number = visitor.redeem(book.get_absolute_url())

    kill_worker_at(stack, "debit", "timeout_after")

    stack.sweeper.start()
    assert stack.ends(number) == [OrderStatus.DECLINED]
    book.inventory.refresh_from_db()
    assert (book.inventory.quantity_available, book.inventory.quantity_reserved) == (3, 0)
    assert not stack.violations()
