"""Processes are killed with -9 at each step of the saga. Every order still ends, and no point is
lost, taken twice or given back twice.

To kill a process exactly at a step, the test makes it wait there: the partner does not answer, or
the test has locked a row in PostgreSQL. The test checks from outside that the process has arrived.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from kombu import Connection

from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from redemption.models import Callback, Letter, LoyaltyTransaction, OrderItem, RedemptionOrder
from redemption.saga.tasks import settle_transaction
from redemption.states import LineStatus, OrderStatus, TransactionStatus
from tests.chaos.actors.scenes import (
    FOREVER,
    lost_in_the_middle_of_a_call,
    told_by_who_lost_its_lease,
    wait_for_call,
)
from tests.redemption.world import World
from tests.support.stack import Stack
from tests.support.visitor import Visitor, order_number
from tests.support.waiting import eventually


def the_order(number: str) -> RedemptionOrder:
    return RedemptionOrder.objects.get(order_number=number)


def was_left_in_the_middle(work: type[Any]) -> bool:
    """Whether a row has a lease, whose holder is dead."""
    return work.objects.filter(lease_until__isnull=False).exists()


def let_leases_run_out() -> None:
    """Expire all leases at once instead of waiting 8 s, or a minute for letters.

    test_worker_frozen_for_longer_than_its_lease shows that they expire by themselves.
    """
    for kind in (Callback, Fulfillment, Letter, LoyaltyTransaction, PartnerCall):
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
        pytest.param("get_fulfillment", "timeout_before", "accept", "COMPLETED", id="called-back"),
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
        # a new process has no token yet
        stack.worker.kill()
        stack.sandbox.fault(operation, fault, seconds=FOREVER)
        stack.worker.start()
    else:
        stack.sandbox.fault(operation, fault, seconds=FOREVER)
    number = visitor.redeem(shop.virtual().get_absolute_url())

    wait_for_call(stack, operation, fault)
    stack.worker.kill()

    work = {"fulfill": PartnerCall, "get_fulfillment": Fulfillment}
    assert was_left_in_the_middle(work.get(operation, LoyaltyTransaction))
    let_leases_run_out()
    stack.sweeper.start()
    stack.worker.start()
    assert stack.ends(number) == [end]
    assert not stack.violations()


def test_worker_killed_amid_the_lines_of_a_large_order(stack: Stack, shop: World) -> None:
    """The sweeper alone delivers the others, and those whose request was on its way."""
    stack.sweeper.stop()
    stack.sandbox.dial(mode="instant")
    stack.sandbox.fault("fulfill", "timeout_after", times=2, seconds=FOREVER)
    lines = 24
    number = shop.place(*[(shop.virtual(points=10), 1)] * lines).order_number
    debit = LoyaltyTransaction.objects.get(order__order_number=number)
    with Connection(stack.redis.url) as broker:
        settle_transaction.apply_async((str(debit.pk),), connection=broker)

    delivered = OrderItem.objects.filter(
        order__order_number=number, fulfillment_status=LineStatus.DELIVERED
    )
    wait_for_call(stack, "fulfill", "timeout_after")
    eventually(delivered.exists, "some lines are delivered")
    stack.worker.kill()

    assert was_left_in_the_middle(PartnerCall)
    assert delivered.count() < lines
    let_leases_run_out()
    stack.sweeper.start()
    assert stack.ends(number) == [OrderStatus.COMPLETED]
    codes = VirtualCode.objects.filter(fulfillment__label=number)
    assert delivered.count() == codes.count() == lines
    assert not stack.violations()


def test_worker_killed_while_the_partner_refuses(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """The stock is released once, and no points were taken."""
    stack.sweeper.stop()
    stack.sandbox.account(shop.company.loyalty_account_id, 1)
    stack.sandbox.fault("debit", "timeout_after", seconds=FOREVER)
    book = shop.product(stocked=3)
    number = visitor.redeem(book.get_absolute_url())

    wait_for_call(stack, "debit", "timeout_after")
    stack.worker.kill()

    let_leases_run_out()
    stack.sweeper.start()
    assert stack.ends(number) == [OrderStatus.DECLINED]
    book.inventory.refresh_from_db()
    assert (book.inventory.quantity_available, book.inventory.quantity_reserved) == (3, 0)
    assert not stack.violations()


def test_worker_killed_while_it_claims_a_debit(stack: Stack, shop: World, visitor: Visitor) -> None:
    """Before the claim is committed, nothing was sent."""
    stack.sweeper.stop()
    stack.worker.kill()
    number = visitor.redeem(shop.virtual().get_absolute_url())
    debit = shop.debit(the_order(number))
    row = "SELECT 1 FROM loyalty_transaction WHERE id = %s FOR UPDATE"

    with stack.holding(row, debit.pk) as wait_for:
        stack.worker.start()
        wait_for(1)
        stack.worker.kill()

    debit.refresh_from_db()
    assert debit.status == TransactionStatus.INTENDED
    assert not stack.sandbox.calls(operation="debit", reference=number)
    stack.sweeper.start()
    assert stack.ends(number) == [OrderStatus.COMPLETED]
    assert not stack.violations()


def test_worker_killed_after_the_record_and_before_it_can_pass_the_work_on(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """Redis is frozen, so the task for the next step is never sent."""
    stack.sweeper.stop()
    stack.sandbox.fault("debit", "delay", seconds=2.0)
    number = visitor.redeem(shop.virtual().get_absolute_url())
    wait_for_call(stack, "debit", "delay")
    stack.redis.pause()

    def is_confirmed() -> bool:
        return the_order(number).status == OrderStatus.CONFIRMED

    eventually(is_confirmed, "the debit is recorded")
    stack.worker.kill()
    stack.redis.kill()

    assert not stack.sandbox.calls(operation="fulfill", reference=str(request_of(number)))
    stack.sweeper.start()
    assert stack.ends(number) == [OrderStatus.COMPLETED]
    assert not stack.violations()


def request_of(number: str) -> object:
    """The partner's id for the order's only line."""
    return Fulfillment.objects.get(label=number).pk


def test_worker_killed_while_it_takes_in_a_callback(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """A callback that was answered with 204 is processed once by another process."""
    stack.sweeper.stop()
    stack.sandbox.dial(webhook_url=None)
    number = visitor.redeem(shop.virtual().get_absolute_url())

    def is_accepted() -> bool:
        return PartnerCall.objects.filter(fulfillment__label=number, status="SUCCEEDED").exists()

    eventually(is_accepted, "the partner has accepted")
    row = "SELECT 1 FROM fulfillment_fulfillment WHERE label = %s FOR UPDATE"

    with stack.holding(row, number) as wait_for:
        stack.sandbox.dial(webhook_url=f"{stack.url}/webhooks/fulfillment/")
        wait_for(1)
        stack.worker.kill()

    assert was_left_in_the_middle(Callback)
    let_leases_run_out()
    stack.sweeper.start()
    assert stack.ends(number) == [OrderStatus.COMPLETED]
    assert Callback.objects.get(reference=str(request_of(number))).state == "PROCESSED"
    assert not stack.violations()


def test_worker_killed_while_it_sends_a_letter(stack: Stack, shop: World, visitor: Visitor) -> None:
    """Nobody knows whether the mail server kept it, so the same letter is sent again."""
    stack.sweeper.stop()
    stack.sandbox.dial(mode="silent")
    stack.mailbox.confirming.clear()
    number = visitor.redeem(shop.virtual().get_absolute_url())
    eventually(lambda: stack.mailbox.about(number), "a letter is handed over")
    stack.worker.kill()
    stack.mailbox.confirming.set()

    assert was_left_in_the_middle(Letter)
    assert letters_of(number) == []
    let_leases_run_out()
    stack.sweeper.start()
    eventually(lambda: letters_of(number), "the letter is sent")
    first, again = stack.mailbox.about(number)
    assert letters_of(number) == ["confirmed"]
    assert first["Message-ID"] == again["Message-ID"]
    assert not stack.violations(at_rest=False)


def test_web_killed_while_it_places_an_order(stack: Stack, shop: World, visitor: Visitor) -> None:
    """Nothing is half placed, and the same form can be sent again."""
    book = shop.product(stocked=3)
    visitor.put_in_cart(book.get_absolute_url())
    form = visitor.checkout()
    row = "SELECT 1 FROM inventory WHERE product_id = %s FOR UPDATE"

    with ThreadPoolExecutor(1) as pool, stack.holding(row, book.pk) as wait_for:
        sending = pool.submit(visitor.send, form)
        wait_for(1)
        stack.web.kill()
        with pytest.raises(httpx.TransportError):
            sending.result()

    assert not RedemptionOrder.objects.filter(token=form.fields["token"]).exists()
    stack.web.start()
    numbers = {order_number(visitor.send(form)) for _again in range(2)}
    assert {order.order_number for order in shop.seat.orders.all()} == numbers
    assert len(numbers) == 1
    book.inventory.refresh_from_db()
    assert (book.inventory.quantity_available, book.inventory.quantity_reserved) == (2, 1)
    assert not stack.violations(at_rest=False)


def test_sweeper_killed_while_it_asks_a_partner(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """Another sweeper repeats the call with the same key."""
    stack.worker.kill()
    stack.sandbox.fault("debit", "timeout_after", seconds=FOREVER)
    number = visitor.redeem(shop.virtual().get_absolute_url())
    wait_for_call(stack, "debit", "timeout_after")
    stack.sweeper.kill()

    let_leases_run_out()
    stack.sweeper.start()
    assert stack.ends(number) == [OrderStatus.COMPLETED]
    assert shop.ledger(the_order(number)) == (the_order(number).total_points, 0)
    assert not stack.violations()


def test_worker_frozen_for_longer_than_its_lease(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    """When the worker wakes up with the partner's answer, another one has recorded it."""
    stack.sandbox.fault("debit", "delay", seconds=2.0)
    number = visitor.redeem(shop.virtual().get_absolute_url())
    wait_for_call(stack, "debit", "delay")
    stack.worker.pause()
    assert was_left_in_the_middle(LoyaltyTransaction)
    assert stack.ends(number) == [OrderStatus.COMPLETED]

    stack.sweeper.stop()
    stack.worker.resume()
    later = visitor.redeem(shop.virtual().get_absolute_url())

    assert stack.ends(later) == [OrderStatus.COMPLETED]
    assert not stack.violations()


def test_worker_lost_in_the_middle_of_a_call_whose_key_the_partner_forgets(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    assert lost_in_the_middle_of_a_call(stack, shop, visitor) == set()


def test_worker_that_lost_its_lease_writes_nothing(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    assert told_by_who_lost_its_lease(stack, shop, visitor) == set()
