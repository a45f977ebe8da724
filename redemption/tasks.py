"""What Celery workers do. Each takes an id, makes one call, and may run twice at once.

After a step, what it made due is nudged on; a nudge that is lost is found by the sweeper.
"""

import uuid
from typing import Any

from django.db.models import QuerySet

from fulfillment.models import PartnerCall
from fulfillment.virtual import saga as virtual
from loyalty_portal.celery import app, nudge
from redemption import notifications, saga
from redemption.callbacks import services as callbacks
from redemption.models import Letter, LoyaltyTransaction, RedemptionOrder


@app.task
def settle_transaction(transaction_id: str) -> None:
    """Ask the Loyalty Points API about one debit or credit."""
    order_id = saga.settle_transaction(uuid.UUID(transaction_id))
    if order_id is not None:
        go_on(order_id)


@app.task
def request_fulfillment(call_id: str) -> None:
    """Ask the Fulfillment API to deliver, or to cancel."""
    key = uuid.UUID(call_id)
    if virtual.ask(key):
        _go_on_with_call(PartnerCall.objects.get(pk=key))


@app.task
def process_callback(callback_id: str) -> None:
    """Take in one callback from the inbox."""
    order_number = callbacks.process(uuid.UUID(callback_id))
    if order_number:
        go_on(RedemptionOrder.objects.values_list("pk", flat=True).get(order_number=order_number))


@app.task
def send_letter(letter_id: str) -> None:
    """Send one letter."""
    notifications.send_letter(uuid.UUID(letter_id))


def go_on(order_id: uuid.UUID) -> None:
    """Nudge whatever is due for an order now."""
    steps: list[tuple[Any, QuerySet[Any]]] = [
        (settle_transaction, LoyaltyTransaction.objects.due().filter(order=order_id)),
        (
            request_fulfillment,
            PartnerCall.objects.due().filter(fulfillment__reference__in=_lines(order_id)),
        ),
        (send_letter, Letter.objects.due().filter(order=order_id)),
    ]
    for task, due in steps:
        for key in due.values_list("pk", flat=True):
            nudge(task, key)


def _lines(order_id: uuid.UUID) -> QuerySet[Any, uuid.UUID]:
    return RedemptionOrder.objects.filter(pk=order_id).values_list("items__id", flat=True)


def _go_on_with_call(call: PartnerCall) -> None:
    number = call.fulfillment.label
    go_on(RedemptionOrder.objects.values_list("pk", flat=True).get(order_number=number))
