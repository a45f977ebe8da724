"""The Celery tasks. Each takes an id, makes one call, and may safely run twice at once.

Task names never change, because messages of an earlier version may still be queued. After a step a
task queues the rows that this step made due; the sweeper finds the rows of lost messages.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from fulfillment.models import Fulfillment, PartnerCall
from loyalty_portal.celery import app, nudge
from loyalty_portal.data.leases import LeasedQuerySet
from loyalty_portal.fastpath.sql import Prepared
from redemption.models import Letter, LoyaltyTransaction, OrderItem, RedemptionOrder
from redemption.saga import stock_watch
from redemption.saga.queues import work


@app.task(name="redemption.tasks.settle_transaction")
def settle_transaction(transaction_id: str) -> None:
    """Ask the Loyalty Points API about one debit or credit."""
    began = time.monotonic()
    order_id = work("transactions", uuid.UUID(transaction_id))
    if order_id is not None:
        go_on(order_id, since=began)


@app.task(name="redemption.tasks.request_fulfillment")
def request_fulfillment(call_id: str) -> None:
    """Ask the Fulfillment API to deliver, or to cancel."""
    key, began = uuid.UUID(call_id), time.monotonic()
    if work("partner calls", key):
        _go_on_with(Fulfillment.objects.filter(calls=key), began)


@app.task(name="redemption.tasks.ask_how_it_stands")
def ask_how_it_stands(fulfillment_id: str) -> None:
    """Ask the Fulfillment API about a delivery, for example after a callback about it."""
    key, began = uuid.UUID(fulfillment_id), time.monotonic()
    if work("polls", key):
        _go_on_with(Fulfillment.objects.filter(pk=key), began)


@app.task(name="redemption.tasks.process_callback")
def process_callback(callback_id: str) -> None:
    """Process one callback from the inbox."""
    began = time.monotonic()
    order_number = work("callbacks", uuid.UUID(callback_id))
    if order_number:
        orders = RedemptionOrder.objects.values_list("pk", flat=True)
        go_on(orders.get(order_number=order_number), since=began)


@app.task(name="redemption.tasks.send_letter")
def send_letter(letter_id: str) -> None:
    """Send one letter."""
    work("letters", uuid.UUID(letter_id))


@app.task(name="redemption.tasks.watch_stock")
def watch_stock() -> None:
    """Check that all stock adds up."""
    stock_watch.watch_stock()


def go_on(order_id: uuid.UUID, *, since: float) -> None:
    """Queue the rows of an order that became due since `since`, a value of time.monotonic()."""
    age = timedelta(seconds=time.monotonic() - since)
    for task, due in _DUE:
        for row in due(order_id, age):
            nudge(task, row.pk)


@contextmanager
def going_on(order_id: uuid.UUID) -> Iterator[None]:
    """Queue the rows that the block makes due for the order, unless it raises."""
    began = time.monotonic()
    yield
    go_on(order_id, since=began)


def _go_on_with(parcels: QuerySet[Fulfillment], began: float) -> None:
    found = OrderItem.objects.filter(pk__in=parcels.values("reference"))
    go_on(found.values_list("order_id", flat=True).get(), since=began)


_ORDER, _AGE = uuid.uuid4(), timedelta(microseconds=1)  # placeholders for the arguments


def _due_of(find: Callable[[Any], LeasedQuerySet[Any]]) -> Prepared[Any]:
    """The rows of one queue that an order's step made due, by the order's id and the age."""
    return Prepared(
        lambda order, age: find(order).due().filter(next_attempt_at__gte=Now() - age).only("pk"),
        _ORDER,
        _AGE,
    )


def _lines(order: Any) -> QuerySet[Any]:
    return OrderItem.objects.filter(order=order).values("pk")


_DUE: list[tuple[Any, Prepared[Any]]] = [
    (settle_transaction, _due_of(lambda order: LoyaltyTransaction.objects.filter(order=order))),
    (
        request_fulfillment,
        _due_of(lambda order: PartnerCall.objects.filter(fulfillment__reference__in=_lines(order))),
    ),
    (
        ask_how_it_stands,
        _due_of(lambda order: Fulfillment.objects.filter(reference__in=_lines(order))),
    ),
    (send_letter, _due_of(lambda order: Letter.objects.filter(order=order))),
]
