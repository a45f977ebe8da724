"""Takes guards of the saga away, for negative controls: a test that passes without its guard
tests nothing. Only tests/settings_unguarded.py installs it.
"""

import uuid
from dataclasses import replace
from typing import Any

import psycopg

from accounts import loyalty
from inventory import services as stock
from redemption.models import RedemptionOrder
from redemption.placing import services as placing
from redemption.placing.services import Wishes

_WITHOUT_DATABASES_GUARDS = """
    ALTER TABLE inventory DROP CONSTRAINT available_not_negative;
    ALTER TABLE redemption_order DROP CONSTRAINT redemption_order_token_key;
"""


def take_guards_away() -> None:
    """In this process."""
    _key_each_attempt_anew()
    _reserve_without_looking()
    _leave_the_cart_as_it_is()


def _key_each_attempt_anew() -> None:
    keyed = loyalty.send_debit

    def send_debit(body: bytes, key: str) -> loyalty.TransactionAnswer:
        return keyed(body, f"{key}:{uuid.uuid4()}")

    loyalty.send_debit = send_debit


def _reserve_without_looking() -> None:
    """The UPDATE without its WHERE about the numbers."""
    unguarded, guard, _rest = stock._MOVE.partition("AND quantity_available +")
    assert guard, "the guard is not where it was"
    stock._MOVE = f"{unguarded} RETURNING quantity_available, low_stock_at"


def _leave_the_cart_as_it_is() -> None:
    """A cart is emptied and gets a new token by the order; that too keeps a form from placing two."""
    guarded = placing._place

    def place(seat: Any, lines: Any, wishes: Wishes, *rest: Any) -> RedemptionOrder:
        return guarded(seat, lines, replace(wishes, cart=None), *rest)

    placing._place = place


def unguard_database(address: str) -> None:
    """The same for what the database itself refuses: stock below zero, a token used twice."""
    with psycopg.connect(address) as link:
        link.execute(_WITHOUT_DATABASES_GUARDS)
