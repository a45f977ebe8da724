"""Moves the times of the demo's rows into the past.

Services, triggers and PostgreSQL write the current time. The builder records the intended time of
each step. Afterwards one UPDATE for each table moves the rows' times by the difference between a
step's intended time and its real one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pgtrigger
from django.db import connection, transaction
from django.utils import timezone

from redemption.messages import digests
from redemption.models import Letter

_ORDERS = "IN (SELECT id FROM held)"
_LINES = f"IN (SELECT id FROM order_item WHERE order_id {_ORDERS})"  # noqa: S608
_FULFILLMENTS = f"IN (SELECT id FROM fulfillment_fulfillment WHERE reference {_LINES})"  # noqa: S608
_SHIPMENTS = (
    f"IN (SELECT shipment_id FROM fulfillment_shipmentline WHERE fulfillment_id {_FULFILLMENTS})"  # noqa: S608
)
_PRODUCTS = f"IN (SELECT product_id FROM order_item WHERE order_id {_ORDERS})"  # noqa: S608
_ORDER_TIMES = {
    "created_at": "created_at",
    "completed_at": "completed_at",
    "cancel_requested_at": "cancel_requested_at",
    "approve_by": "created_at",
}
_CALL_TIMES = {
    "created_at": "created_at",
    "first_sent_at": "first_sent_at",
    "settled_at": "settled_at",
}
_CHANGED = {"pgh_created_at": "pgh_created_at"}
# For each table: which rows to move, and for each column the column that tells which step wrote it.
# A deadline (approve_by, promised_by) moves with the time at which it was set.
_MOVES: dict[str, tuple[str, dict[str, str]]] = {
    "redemption_order": (f"id {_ORDERS}", _ORDER_TIMES),
    "redemption_redemptionorderchange": (f"pgh_obj_id {_ORDERS}", _ORDER_TIMES | _CHANGED),
    "redemption_orderitemchange": (f"order_id {_ORDERS}", _CHANGED),
    "redemption_orderevent": (f"order_id {_ORDERS}", {"at": "at"}),
    "loyalty_transaction": (f"order_id {_ORDERS}", _CALL_TIMES),
    "redemption_loyaltytransactionchange": (f"order_id {_ORDERS}", _CALL_TIMES | _CHANGED),
    "redemption_linereturn": (
        f"item_id {_LINES}",
        {"recorded_at": "recorded_at", "decided_at": "decided_at"},
    ),
    "redemption_decision": (
        f"item_id {_LINES}",
        {"proposed_at": "proposed_at", "decided_at": "decided_at"},
    ),
    "redemption_letter": (f"order_id {_ORDERS}", {"created_at": "created_at"}),
    "fulfillment_fulfillment": (
        f"reference {_LINES}",
        {"created_at": "created_at", "settled_at": "settled_at", "promised_by": "created_at"},
    ),
    "fulfillment_fulfillmentevent": (f"fulfillment_id {_FULFILLMENTS}", {"at": "at"}),
    "fulfillment_shipment": (
        f"id {_SHIPMENTS}",
        {"shipped_at": "shipped_at", "delivered_at": "delivered_at"},
    ),
    "fulfillment_partnercall": (f"fulfillment_id {_FULFILLMENTS}", _CALL_TIMES),
    "fulfillment_virtualcode": (f"fulfillment_id {_FULFILLMENTS}", {"created_at": "created_at"}),
    "fulfillment_codereveal": (f"fulfillment_id {_FULFILLMENTS}", {"at": "at"}),
    "inventory_reservation": (f"reference {_LINES}", {"created_at": "created_at"}),
    "inventory_stockmovement": (f"reference {_LINES}", {"created_at": "created_at"}),
    "inventory_inventorychange": (
        f"product_id {_PRODUCTS} AND pgh_created_at >= (SELECT min(start) FROM step)",  # noqa: S608
        _CHANGED,
    ),
}
# The steps with their shifts, and the ids of the orders to move.
_WITH = """
    WITH step AS MATERIALIZED (
        SELECT * FROM unnest(%s::timestamptz[], %s::interval[]) AS given (start, shift)
    ), held AS (SELECT unnest(%s::uuid[]) AS id)
"""
# Mark the letters as sent: nobody gets e-mail about demo orders. A digest goes out when the order
# has ended, or a quarter of an hour after its first news.
_LETTERS_SENT = f"""
    {_WITH} UPDATE redemption_letter SET next_attempt_at = NULL, lease_token = NULL,
        attempts = 1, sent_at = CASE WHEN kind = 'digest' THEN coalesce(
            (SELECT completed_at FROM redemption_order o WHERE o.id = order_id),
            least(created_at + interval '15 minutes', now())
        ) ELSE created_at END + interval '2 seconds'
    WHERE order_id {_ORDERS} AND sent_at IS NULL
"""  # noqa: S608 - made of constants


class Timeline:
    """Records intended times. Call `go_to` before each step, `hold` for each order, then
    `write`.
    """

    def __init__(self) -> None:
        self._starts: list[datetime] = []
        self._shifts: list[timedelta] = []
        self._orders: list[UUID] = []

    def go_to(self, moment: datetime) -> None:
        """Set the current intended time; it continues to run from there."""
        start = timezone.now()
        self._starts.append(start)
        self._shifts.append(moment - start)

    def now(self) -> datetime:
        return timezone.now() + self._shifts[-1]

    def hold(self, order_id: UUID) -> None:
        """Include this order and all rows that belong to it in the next `write`."""
        self._orders.append(order_id)

    def write(self) -> None:
        """Move the times of the orders held since the last `write`. No order is moved twice."""
        if not self._orders:
            return
        # Positional parameters: pgtrigger adds one of its own before them.
        facts: Sequence[Any] = [self._starts, self._shifts, self._orders]
        with transaction.atomic(), pgtrigger.ignore(), connection.cursor() as cursor:
            for table, (rows, columns) in _MOVES.items():
                cursor.execute(_move(table, rows, columns), facts)
            _close_digests(self._orders)
            cursor.execute(_LETTERS_SENT, facts)
        self._starts, self._shifts, self._orders = [], [], []


def _close_digests(order_ids: Sequence[UUID]) -> None:
    """Fix what the orders' digests tell, as sending them does, so that later news has its own."""
    keys = [Letter.gathering_key(order_id) for order_id in order_ids]
    for letter_id in Letter.objects.filter(key__in=keys).values_list("pk", flat=True):
        token = uuid4()
        Letter.objects.filter(pk=letter_id).update(lease_token=token)
        digests.close(letter_id, token)


def _move(table: str, rows: str, columns: dict[str, str]) -> str:
    moved = ", ".join(f"{name} = {name} + {_shift(source)}" for name, source in columns.items())
    return f"{_WITH} UPDATE {table} SET {moved} WHERE {rows}"  # noqa: S608 - made of constants


def _shift(column: str) -> str:
    """SQL for the shift of the step during which the column's time was written."""
    found = f"SELECT shift FROM step WHERE start <= {column} ORDER BY start DESC LIMIT 1"  # noqa: S608
    return f"coalesce(({found}), interval '0')"
