"""The Celery tasks. Each takes an id, makes one call, and may safely run twice at once.

The names of the tasks never change: messages of an earlier version may still be queued. After a
step each task queues what became due; the sweeper finds what a lost message was about.
"""

import uuid
from typing import Any

from fulfillment.models import Fulfillment, PartnerCall
from loyalty_portal.celery import app, nudge
from loyalty_portal.fastpath.sql import Prepared
from redemption.models import Letter, LoyaltyTransaction, OrderItem, RedemptionOrder
from redemption.saga import stock_watch
from redemption.saga.queues import work


@app.task(name="redemption.tasks.settle_transaction")
def settle_transaction(transaction_id: str) -> None:
    """Ask the Loyalty Points API about one debit or credit."""
    order_id = work("transactions", uuid.UUID(transaction_id))
    if order_id is not None:
        go_on(order_id)


@app.task(name="redemption.tasks.request_fulfillment")
def request_fulfillment(call_id: str) -> None:
    """Ask the Fulfillment API to deliver, or to cancel."""
    key = uuid.UUID(call_id)
    if work("partner calls", key):
        _go_on_with_call(PartnerCall.objects.get(pk=key))


@app.task(name="redemption.tasks.ask_how_it_stands")
def ask_how_it_stands(fulfillment_id: str) -> None:
    """Ask the Fulfillment API about a delivery, for example after a callback about it."""
    key = uuid.UUID(fulfillment_id)
    if work("polls", key):
        label = Fulfillment.objects.values_list("label", flat=True).get(pk=key)
        go_on(RedemptionOrder.objects.values_list("pk", flat=True).get(order_number=label))


@app.task(name="redemption.tasks.process_callback")
def process_callback(callback_id: str) -> None:
    """Process one callback from the inbox."""
    order_number = work("callbacks", uuid.UUID(callback_id))
    if order_number:
        go_on(RedemptionOrder.objects.values_list("pk", flat=True).get(order_number=order_number))


@app.task(name="redemption.tasks.send_letter")
def send_letter(letter_id: str) -> None:
    """Send one letter."""
    work("letters", uuid.UUID(letter_id))


@app.task(name="redemption.tasks.watch_stock")
def watch_stock() -> None:
    """Check that all stock adds up."""
    stock_watch.watch_stock()


def go_on(order_id: uuid.UUID) -> None:
    """Queue everything that is due for an order now."""
    for task, due in _DUE:
        for row in due(order_id):
            nudge(task, row.pk)


_ORDER = uuid.uuid4()  # a placeholder for the order's id
_DUE: list[tuple[Any, Prepared[Any]]] = [
    (
        settle_transaction,
        Prepared(
            lambda order: LoyaltyTransaction.objects.due().filter(order=order).only("pk"), _ORDER
        ),
    ),
    (
        request_fulfillment,
        Prepared(
            lambda order: (
                PartnerCall.objects.due()
                .filter(
                    fulfillment__reference__in=OrderItem.objects.filter(order=order).values("pk")
                )
                .only("pk")
            ),
            _ORDER,
        ),
    ),
    (
        ask_how_it_stands,
        Prepared(
            lambda order: (
                Fulfillment.objects.due()
                .filter(reference__in=OrderItem.objects.filter(order=order).values("pk"))
                .only("pk")
            ),
            _ORDER,
        ),
    ),
    (
        send_letter,
        Prepared(lambda order: Letter.objects.due().filter(order=order).only("pk"), _ORDER),
    ),
]


def _go_on_with_call(call: PartnerCall) -> None:
    number = call.fulfillment.label
    go_on(RedemptionOrder.objects.values_list("pk", flat=True).get(order_number=number))
