"""The Celery tasks. Each takes an id, makes one call, and may safely run twice at once.

Task names never change, because messages of an earlier version may still be queued. After a step a
task queues the rows that this step made due; the sweeper finds the rows of lost messages.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet, Value
from django.db.models.functions import Now

from fulfillment.models import Fulfillment, PartnerCall
from loyalty_portal.celery import app, nudge
from loyalty_portal.data.leases import LeasedQuerySet
from loyalty_portal.fastpath.sql import Prepared
from redemption.models import Letter, LoyaltyTransaction, OrderItem
from redemption.saga import popularity, stock_watch
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
    fulfillment_id = work("partner calls", key)
    if fulfillment_id:
        _go_on_with(fulfillment_id, since=began)


@app.task(name="redemption.tasks.ask_how_it_stands")
def ask_how_it_stands(fulfillment_id: str) -> None:
    """Ask the Fulfillment API about a delivery, for example after a callback about it."""
    _ask(uuid.UUID(fulfillment_id))


@app.task(name="redemption.tasks.process_callback")
def process_callback(callback_id: str) -> None:
    """Process one callback from the inbox, and ask about its delivery at once if it says so."""
    fulfillment_id = work("callbacks", uuid.UUID(callback_id))
    if fulfillment_id:
        _ask(fulfillment_id)


@app.task(name="redemption.tasks.send_letter")
def send_letter(letter_id: str) -> None:
    """Send one letter."""
    work("letters", uuid.UUID(letter_id))


@app.task(name="redemption.tasks.watch_stock")
def watch_stock() -> None:
    """Check that all stock adds up."""
    stock_watch.watch_stock()


@app.task(name="redemption.tasks.write_popularity")
def write_popularity() -> None:
    """Tell the catalogue how often its products were redeemed lately."""
    popularity.tell_popularity()


def _ask(fulfillment_id: uuid.UUID) -> None:
    """Ask about a delivery if that is due, and queue what the answer made due."""
    began = time.monotonic()
    if work("polls", fulfillment_id):
        _go_on_with(fulfillment_id, since=began)


def go_on(order_id: uuid.UUID, *, since: float) -> None:
    """Queue the rows of an order that became due since `since`, a value of time.monotonic()."""
    _queue(_due_of_order, order_id, since)


@contextmanager
def going_on(order_id: uuid.UUID) -> Iterator[None]:
    """Queue the rows that the block makes due for the order, unless it raises."""
    began = time.monotonic()
    yield
    go_on(order_id, since=began)


def _go_on_with(fulfillment_id: uuid.UUID, *, since: float) -> None:
    """Queue what a step of one line made due: its own rows, and the order's points and letters."""
    _queue(_due_of_line, fulfillment_id, since)


def _queue(due: Prepared[tuple[str, uuid.UUID]], key: uuid.UUID, since: float) -> None:
    for model, row in due(key, timedelta(seconds=time.monotonic() - since)):
        nudge(_TASKS[model], row)


_KEY, _AGE = uuid.uuid4(), timedelta(microseconds=1)  # placeholders for the arguments


def _due_of(
    find: Callable[[Any], Sequence[LeasedQuerySet[Any]]],
) -> Prepared[tuple[str, uuid.UUID]]:
    """The rows of several queues that a step made due, by a key and the age: the name of each
    row's model, and its id. It is one statement.
    """

    def build(key: Any, age: timedelta) -> QuerySet[Any, tuple[str, uuid.UUID]]:
        first, *others = (
            rows.due()
            .filter(next_attempt_at__gte=Now() - age)
            .order_by()
            .values_list(Value(rows.model.__name__), "pk")
            for rows in find(key)
        )
        return first.union(*others, all=True)

    return Prepared(build, _KEY, _AGE)


def _of_order(order: Any) -> list[LeasedQuerySet[Any]]:
    lines = OrderItem.objects.filter(order=order).values("pk")
    return [
        LoyaltyTransaction.objects.filter(order=order),
        PartnerCall.objects.filter(fulfillment__reference__in=lines),
        Fulfillment.objects.filter(reference__in=lines),
        Letter.objects.filter(order=order),
    ]


def _of_line(fulfillment: Any) -> list[LeasedQuerySet[Any]]:
    line = Fulfillment.objects.filter(pk=fulfillment).values("reference")
    order = OrderItem.objects.filter(pk__in=line).values("order")
    return [
        LoyaltyTransaction.objects.filter(order__in=order),
        PartnerCall.objects.filter(fulfillment=fulfillment),
        Fulfillment.objects.filter(pk=fulfillment),
        Letter.objects.filter(order__in=order),
    ]


_due_of_order, _due_of_line = _due_of(_of_order), _due_of(_of_line)
_TASKS: Mapping[str, Callable[..., object]] = {
    "LoyaltyTransaction": settle_transaction,
    "PartnerCall": request_fulfillment,
    "Fulfillment": ask_how_it_stands,
    "Letter": send_letter,
}
