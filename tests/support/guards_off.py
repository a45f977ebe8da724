"""Takes guards of the saga away, for negative controls: a test that passes without its guard
tests nothing. Only tests/support/settings_unguarded.py installs it, in the portal's own processes.

`GUARDS` are those that can be taken away by name; `DATABASE_GUARDS` what the database itself
would refuse beside them.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psycopg
from django.conf import settings
from django.db import transaction

from accounts import loyalty
from fulfillment.virtual.services import hear_answer
from inventory import services as stock
from loyalty_portal.data.leases import LeasedQuerySet
from loyalty_portal.partners import client
from loyalty_portal.partners.client import Outcome
from redemption.checkout import services as placing
from redemption.checkout.services import CheckoutInput
from redemption.management.commands import sweep
from redemption.models import Letter, RedemptionOrder
from redemption.saga import inbox as callbacks
from redemption.saga import queues


def remove_guards(names: str) -> None:
    """The guards named, separated by commas; in this process."""
    for name in filter(None, names.split(",")):
        GUARDS[name]()


def _key_each_debit_anew() -> None:
    keyed = loyalty.send_debit

    def send_debit(body: bytes, key: str) -> loyalty.TransactionAnswer:
        return keyed(body, f"{key}:{uuid.uuid4()}")

    loyalty.send_debit = send_debit


def _key_each_credit_anew() -> None:
    keyed = loyalty.send_credit

    def send_credit(body: bytes, key: str) -> loyalty.TransactionAnswer:
        return keyed(body, f"{key}:{uuid.uuid4()}")

    loyalty.send_credit = send_credit


def _take_unknown_for_refused() -> None:
    asked = loyalty.send_debit

    def send_debit(body: bytes, key: str) -> loyalty.TransactionAnswer:
        result = asked(body, key)
        if result.answer.outcome is Outcome.UNKNOWN:
            return replace(result, answer=replace(result.answer, outcome=Outcome.REFUSED))
        return result

    loyalty.send_debit = send_debit


def _believe_every_success() -> None:
    """Also one that is about something else than what was asked."""
    loyalty._check = lambda *_given: None


def _reserve_without_looking() -> None:
    """The UPDATE without its WHERE about the numbers."""
    unguarded, guard, _rest = stock._MOVE.partition("AND (NOT is_tracked OR quantity_available +")
    assert guard, "the guard is not where it was"
    stock._MOVE = f"{unguarded} RETURNING quantity_available, low_stock_at, is_tracked"


def _leave_the_cart_as_it_is() -> None:
    """A cart is emptied and gets a new token by the order; that too keeps a form from placing two."""
    guarded = placing._place

    def place(seat: Any, lines: Any, entered: CheckoutInput, *rest: Any) -> RedemptionOrder:
        return guarded(seat, lines, replace(entered, cart=None), *rest)

    placing._place = place


def _answer_before_storing() -> None:
    """A callback is answered, and what was to be stored after that never is."""
    callbacks.store = lambda **_callback: None


def _believe_callbacks() -> None:
    """What they say settles, as if the partner had been asked."""
    callbacks.take_hint = hear_answer


def _send_letters_without_a_lease() -> None:
    leased = LeasedQuerySet.lease

    def lease(self: Any, pk: object, *, seconds: float) -> uuid.UUID | None:
        if self.model is not Letter:
            return leased(self, pk, seconds=seconds)
        token = uuid.uuid4()
        return token if self.filter(pk=pk, sent_at=None).update(lease_token=token) else None

    LeasedQuerySet.lease = lease


def _record_without_a_lease() -> None:
    """Whoever comes with an answer writes it down, though somebody else is asking by now."""
    guarded = LeasedQuerySet.release

    def release(self: Any, pk: object, token: uuid.UUID, **changes: Any) -> bool:
        theirs = self.filter(pk=pk).values_list("lease_token", flat=True).first()
        return guarded(self, pk, theirs or token, **changes)

    LeasedQuerySet.release = release


def _ask_before_the_claim_is_committed() -> None:
    """Claim, call and record are one transaction. The client, too, would refuse that."""
    client.connection = SimpleNamespace(in_atomic_block=False)
    kind = queues.QUEUES["transactions"]
    queues.QUEUES["transactions"] = replace(kind, act=transaction.atomic(kind.act))


def _sweep_nothing() -> None:
    """What the broker forgets, nobody remembers."""
    LeasedQuerySet.due_ids = lambda _self, _limit: []


def _end_no_case_of_an_incident() -> None:
    """What has long settled right goes on asking for a person."""
    sweep.CHORES["incidents that are over"] = lambda: 0


def _say_yes_before_it_is_on_disk() -> None:
    settings.DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"


def _believe_every_number() -> None:
    """The database lets two transactions have one number, so nobody is in doubt."""


GUARDS: Mapping[str, Callable[[], None]] = {
    "debit-key": _key_each_debit_anew,
    "credit-key": _key_each_credit_anew,
    "unknown": _take_unknown_for_refused,
    "mismatch": _believe_every_success,
    "number": _believe_every_number,
    "stock": _reserve_without_looking,
    "form-token": _leave_the_cart_as_it_is,
    "inbox": _answer_before_storing,
    "hint": _believe_callbacks,
    "letter-lease": _send_letters_without_a_lease,
    "record-lease": _record_without_a_lease,
    "sent-first": _ask_before_the_claim_is_committed,
    "sweep": _sweep_nothing,
    "incidents": _end_no_case_of_an_incident,
    "durable": _say_yes_before_it_is_on_disk,
}
DATABASE_GUARDS = {
    "stock": "ALTER TABLE inventory DROP CONSTRAINT available_not_negative",
    "number": "DROP INDEX partners_entry_once",
    "form-token": "ALTER TABLE redemption_order DROP CONSTRAINT redemption_order_token_key",
    # So that the yes is ahead of the disk for long enough to be seen.
    "durable": "ALTER SYSTEM SET wal_writer_delay = '10s'",
    "": "ALTER SYSTEM RESET wal_writer_delay",
}


def unguard_database(address: str, name: str) -> None:
    """What belongs to a guard in the database goes as well; no name: the server's is back."""
    if name in DATABASE_GUARDS:
        with psycopg.connect(address, autocommit=True) as link:
            link.execute(DATABASE_GUARDS[name])
            link.execute("SELECT pg_reload_conf()")
