"""Removes guards of the saga for negative controls, which show that a test needs the guard.

Only tests/support/guards/settings_unguarded.py installs it, in the portal's own processes. `GUARDS` can be
removed by name; `DATABASE_GUARDS` are the constraints that guard the same in the database.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psycopg
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from accounts import loyalty
from fulfillment.models import Fulfillment
from fulfillment.partner import Report
from fulfillment.virtual.services import hear_answer, locked
from inventory import services as stock
from loyalty_portal.data.leases import LeasedQuerySet
from loyalty_portal.fastpath.updates import PreparedUpdate
from loyalty_portal.partners import client
from loyalty_portal.partners.answers import Answer
from loyalty_portal.partners.client import Outcome
from redemption.checkout import services as placing
from redemption.checkout.services import CheckoutInput
from redemption.management.commands import sweep
from redemption.models import Letter, LineWait, OrderItem, RedemptionOrder
from redemption.points.reconciliation import services as reconciling
from redemption.saga import inbox as callbacks
from redemption.saga import queues, waiting, waits


def remove_guards(names: str) -> None:
    """Remove the named guards in this process. `names` are separated by commas."""
    for name in filter(None, names.split(",")):
        GUARDS[name]()


def _replace(where: Any, name: str, by: object) -> None:
    """Replace a function. Fails if it no longer exists, because the control would prove nothing."""
    assert hasattr(where, name), f"{where} has no {name}: the guard is not where it was"
    setattr(where, name, by)


def _key_each_debit_anew() -> None:
    keyed = loyalty.send_debit

    def send_debit(body: bytes, key: str) -> loyalty.TransactionAnswer:
        return keyed(body, f"{key}:{uuid.uuid4()}")

    _replace(loyalty, "send_debit", send_debit)


def _key_each_credit_anew() -> None:
    keyed = loyalty.send_credit

    def send_credit(body: bytes, key: str) -> loyalty.TransactionAnswer:
        return keyed(body, f"{key}:{uuid.uuid4()}")

    _replace(loyalty, "send_credit", send_credit)


def _take_unknown_for_refused() -> None:
    asked = loyalty.send_debit

    def send_debit(body: bytes, key: str) -> loyalty.TransactionAnswer:
        result = asked(body, key)
        if result.answer.outcome is Outcome.UNKNOWN:
            return replace(result, answer=replace(result.answer, outcome=Outcome.REFUSED))
        return result

    _replace(loyalty, "send_debit", send_debit)


def _believe_every_success() -> None:
    """Accept every success, even one that answers a different request."""
    _replace(loyalty, "_check", lambda *_given: None)


def without_looking(guarded: PreparedUpdate) -> PreparedUpdate:
    """An UPDATE of the stock without its condition about the quantities."""

    def build(*values: Any) -> Any:
        rows, condition, changes = guarded._build(*values)
        assert condition, "the guard is not where it was"
        return rows, Q(), changes

    return PreparedUpdate(build, *guarded._placeholders, returning=guarded._returning)


def _reserve_without_looking() -> None:
    """Reserve stock without the condition that enough is available."""
    stock._moved = without_looking(stock._moved)


def _leave_the_cart_as_it_is() -> None:
    """Do not empty the cart or renew its token, which also prevents a second order from a form."""
    guarded = placing._place

    def place(seat: Any, lines: Any, entered: CheckoutInput, *rest: Any) -> RedemptionOrder:
        return guarded(seat, lines, replace(entered, cart=None), *rest)

    _replace(placing, "_place", place)


def _answer_before_storing() -> None:
    """Answer a callback, but never store it."""
    _replace(callbacks, "store", lambda **_callback: None)


def _believe_callbacks() -> None:
    """Let callbacks settle deliveries without asking the partner."""

    def believe(*, held: Fulfillment, report: Report) -> None:
        hear_answer(held=locked(held.pk, report), report=report)

    _replace(callbacks, "take_hint", believe)


def _send_letters_without_a_lease() -> None:
    leased = LeasedQuerySet.lease

    def lease(self: Any, pk: object, *, seconds: float) -> uuid.UUID | None:
        if self.model is not Letter:
            return leased(self, pk, seconds=seconds)
        token = uuid.uuid4()
        return token if self.filter(pk=pk, sent_at=None).update(lease_token=token) else None

    _replace(LeasedQuerySet, "lease", lease)


def _record_without_a_lease() -> None:
    """Record an answer without checking the lease, even if another worker has it now."""
    guarded = LeasedQuerySet.release

    def release(self: Any, pk: object, token: uuid.UUID, **changes: Any) -> bool:
        theirs = self.filter(pk=pk).values_list("lease_token", flat=True).first()
        return guarded(self, pk, theirs or token, **changes)

    _replace(LeasedQuerySet, "release", release)


def _ask_before_the_claim_is_committed() -> None:
    """Claim, call and record in one transaction. The client's own check against it is
    removed too.
    """
    _replace(client, "connection", SimpleNamespace(in_atomic_block=False))
    queue = queues.TRANSACTIONS
    queues.TRANSACTIONS = replace(queue, act=transaction.atomic(queue.act))


def _sweep_nothing() -> None:
    """Make the sweeper do nothing, so that work whose task was lost stays undone."""
    _replace(LeasedQuerySet, "due_ids", lambda _self, _limit: [])


def _pass_on_what_waits() -> None:
    """Make waits due at once, and do not look at the time that the line gives."""
    begin = waits.begin

    def begin_due(items: Any) -> None:
        begin(items)
        LineWait.objects.filter(pk__in=[item.pk for item in items]).update(next_attempt_at=Now())

    def due_with(_item: object, order: RedemptionOrder) -> list[OrderItem]:
        due = LineWait.objects.due().filter(item__order=order.pk).values("pk")
        return list(OrderItem.objects.filter(pk__in=due).select_related("product"))

    _replace(waits, "begin", begin_due)
    _replace(waiting, "_due_with", due_with)


def _end_no_case_of_an_incident() -> None:
    """Never end the cases of incidents, even after their cause is gone."""
    sweep.CHORES["incidents that are over"] = lambda: 0


def _say_yes_before_it_is_on_disk() -> None:
    settings.DATABASES["default"]["OPTIONS"]["options"] += " -c synchronous_commit=off"


def _believe_every_number() -> None:
    """Let the database accept one number for two transactions, so that no doubt arises, and let
    the comparison with the statement doubt none.
    """
    _replace(reconciling, "doubt_number", lambda _transaction, _number: False)


def _take_each_403_for_our_credentials() -> None:
    """A refusal with a code of the contract is taken for "nothing done, ask again"."""
    rejects_us = vars(Answer)["rejects_us"].fget
    either = property(lambda answer: rejects_us(answer) or answer.status_code == 403)
    _replace(Answer, "rejects_us", either)


GUARDS: Mapping[str, Callable[[], None]] = {
    "debit-key": _key_each_debit_anew,
    "credit-key": _key_each_credit_anew,
    "unknown": _take_unknown_for_refused,
    "mismatch": _believe_every_success,
    "number": _believe_every_number,
    "refusal": _take_each_403_for_our_credentials,
    "stock": _reserve_without_looking,
    "form-token": _leave_the_cart_as_it_is,
    "inbox": _answer_before_storing,
    "hint": _believe_callbacks,
    "letter-lease": _send_letters_without_a_lease,
    "record-lease": _record_without_a_lease,
    "sent-first": _ask_before_the_claim_is_committed,
    "sweep": _sweep_nothing,
    "wait": _pass_on_what_waits,
    "incidents": _end_no_case_of_an_incident,
    "durable": _say_yes_before_it_is_on_disk,
}
DATABASE_GUARDS = {
    "stock": "ALTER TABLE inventory DROP CONSTRAINT available_not_negative",
    "number": "DROP INDEX partners_entry_once",
    "form-token": "ALTER TABLE redemption_order DROP CONSTRAINT redemption_order_token_key",
    "wait": "DROP TRIGGER pgtrigger_not_before_its_time_0a3e3 ON order_item",
    # delays the flush after the commit, so that a crash in between can be tested
    "durable": "ALTER SYSTEM SET wal_writer_delay = '10s'",
    "": "ALTER SYSTEM RESET wal_writer_delay",
}


def unguard_database(address: str, name: str) -> None:
    """Remove the database's part of the named guard; "" restores the server's setting."""
    if name in DATABASE_GUARDS:
        with psycopg.connect(address, autocommit=True) as link:
            link.execute(DATABASE_GUARDS[name])
            link.execute("SELECT pg_reload_conf()")
