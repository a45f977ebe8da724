"""Sends debits and credits, and records their outcomes.

A worker claims the row, commits, calls the partner, and records the answer only while it holds the
lease.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import loyalty
from accounts.loyalty import TransactionAnswer
from loyalty_portal.data.leases import ENDED
from loyalty_portal.data.lifecycle import StaleStatusError
from loyalty_portal.data.trouble import retried
from loyalty_portal.fastpath.sql import Prepared
from loyalty_portal.metrics.figures import ORDER_SECONDS, took_when_true
from loyalty_portal.partners.calls import Claim, call_lease
from loyalty_portal.partners.client import Answer, Outcome, contradicted
from loyalty_portal.partners.reasons import loyalty_reason
from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.models.points import HELD_BACK, NUMBER_CHECKED
from redemption.points.doubting import doubt_number
from redemption.saga import corrections, doubts, numbers, steps
from redemption.saga.doubts import NextAction
from redemption.states import Doubt, IncidentKind, TransactionStatus

LATE_TRIES = 10  # of a credit, over about half an hour; then a person should know


_KEY = uuid.uuid4()  # a placeholder for a transaction's id
_due = Prepared(lambda key: LoyaltyTransaction.objects.due().filter(pk=key), _KEY)


@dataclass(frozen=True, slots=True)
class _ClaimedTransaction(Claim[LoyaltyTransaction]):
    step: NextAction


def settle_transaction(transaction_id: uuid.UUID) -> uuid.UUID | None:
    """Send one due transaction once, or repeat it. Returns its order's id.

    Returns None when it was not due, or another worker holds it.
    """
    claim = _claim(transaction_id)
    if claim is None:
        return None
    result = _answer(claim)
    if claim.step is NextAction.CHECK:
        goes = retried(lambda: _record_check(claim.again(), result))
        return (goes and settle_transaction(transaction_id)) or claim.call.order_id
    try:
        retried(lambda: _record(claim.again(), result))
    except IntegrityError as error:
        if not _is_about_the_entry(error):
            raise
        retried(lambda: _dispute(claim.again(), result))
    return claim.call.order_id


def _answer(claim: _ClaimedTransaction) -> TransactionAnswer:
    intent = claim.call
    if claim.step is NextAction.BELIEVE:
        return doubts.believed(intent)
    if claim.step is NextAction.READ:
        return numbers.read(intent)
    if claim.step is NextAction.CHECK and intent.original:
        return numbers.read(intent.original)
    send = loyalty.send_debit if intent.is_debit else loyalty.send_credit
    return send(intent.body.encode(), intent.key)


def _is_about_the_entry(error: Any) -> bool:
    """Whether the partner named an entry that belongs to another transaction of ours."""
    return bool(error.__cause__.diag.constraint_name == "partners_entry_once")


def _claim(transaction_id: uuid.UUID) -> _ClaimedTransaction | None:
    try:
        with transaction.atomic():
            found = _due(transaction_id)
            return _claimed(found[0]) if found else None
    except StaleStatusError:
        return None  # another worker was quicker


def _claimed(intent: LoyaltyTransaction) -> _ClaimedTransaction | None:
    """Claim the row with a lease.

    Returns None when a person must decide, or when it must wait for another row.
    """
    first_try, step = intent.first_sent_at is None, doubts.next_action(intent)
    claimant = doubts.held_back_by(intent) if step is NextAction.WAIT else None
    held_back = doubts.why_held_back(intent, claimant) if claimant else ""
    # Find the order before claiming, because an order is locked before its transactions.
    news = held_back or step is NextAction.PERSON or _page_shows_claim(intent, claimant)
    order = steps.locked(intent.order_id) if news else None
    intent.find_lost(write=intent.if_due)
    if step is NextAction.WAIT:
        seen: dict[str, Any] = {"answer_code": HELD_BACK} if claimant else {}
        intent.if_due(next_attempt_at=Now() + timedelta(seconds=doubts.PAUSE), **seen)
        if order is not None and held_back:
            steps.flag(order, held_back, kind=IncidentKind.CREDIT_LATE, about=intent)
        return None
    if order is not None and step is NextAction.PERSON:
        _give_up(order, intent)
        return None
    only_its_number = intent.status == TransactionStatus.SUCCEEDED
    if only_its_number or step is NextAction.CHECK:
        changes = intent.claim() if only_its_number else intent.leased(seconds=call_lease())
        if not intent.if_due(**changes):
            raise StaleStatusError
        intent.lease_token = changes["lease_token"]
    else:
        intent.send(write=intent.if_due)
    return _ClaimedTransaction(intent, first_try, step)


def _page_shows_claim(intent: LoyaltyTransaction, claimant: LoyaltyTransaction | None) -> bool:
    """Whether the order's page changes with the claim: an unclear one is asked again, or a credit
    begins to wait. The first try changes nothing there, and needs no lock of the order.
    """
    begins_to_wait = claimant is not None and intent.answer_code != HELD_BACK
    return begins_to_wait or intent.status == TransactionStatus.UNKNOWN


def _give_up(order: RedemptionOrder, intent: LoyaltyTransaction) -> None:
    """Put the transaction into review: repeating it is unsafe, and its outcome is unknown."""
    kind = IncidentKind.SWAPPED if intent.doubt else IncidentKind.HORIZON
    if intent.status == TransactionStatus.SUCCEEDED:
        if not intent.if_due(doubt=Doubt.INSISTS, **ENDED):
            raise StaleStatusError
        steps.flag(order, doubts.whose(intent), kind=kind, about=intent)
        return
    why = _("No clear answer from the partner; asking again is not safe.")
    if intent.doubt:
        why = doubts.whose(intent)
    _ask_a_person(order, intent, why, kind, write=intent.if_due)


def _ask_a_person(
    order: RedemptionOrder,
    intent: LoyaltyTransaction,
    why: str,
    kind: IncidentKind,
    write: Callable[..., object] | None = None,
) -> None:
    intent.review(why, write=write)
    steps.flag(order, why, kind=kind, about=intent)


@transaction.atomic
def _record(claim: _ClaimedTransaction, result: TransactionAnswer) -> None:
    corrections.lock_its_line(claim.call)
    if claim.call.status == TransactionStatus.SUCCEEDED:
        _record_number(claim, result)
        return
    order = doubts.locked_with_others(claim.call)
    intent, answer = claim.call, result.answer
    refused_credit = answer.outcome is Outcome.REFUSED and not intent.is_debit
    known = answer.outcome is not Outcome.UNKNOWN and not refused_credit
    if not _write(claim, result, known=known):
        return
    if known:
        if disputed := claim.call.disputed_id:
            doubts.end(intent, disputed)
        go_on(order, intent, why=answer.told)
    elif refused_credit:
        _refused(order, intent, answer)
    elif answer.code == numbers.NOT_IN_STATEMENT:
        _ask_a_person(order, intent, doubts.whose(intent), IncidentKind.SWAPPED)
    else:
        _unknown(order, intent, answer)


def _write(
    claim: _ClaimedTransaction, result: TransactionAnswer, *, known: bool, **more: Any
) -> bool:
    """Record the answer, as an unknown outcome unless it is `known`.

    Returns False when another worker holds the lease.
    """
    return claim.call.record(
        result.answer,
        first_try=claim.first_try,
        outcome=None if known else TransactionStatus.UNKNOWN,
        external_transaction_id=result.transaction_id if known else "",
        **({"doubt": ""} if known else more),
    )


def _refused(order: RedemptionOrder, credit: LoyaltyTransaction, answer: Answer) -> None:
    why = _("The partner refused to give points back (%(code)s). %(why)s")
    why = why % {"code": answer.code, "why": loyalty_reason(answer.code)}
    if answer.code in doubts.WRONG_DEBIT:
        debit = order.transactions.get(credits=credit)
        if not debit.doubt:
            if doubts.name_anew(credit, debit.external_transaction_id):
                return
            why = doubts.why_refused(credit, debit) or why
    _ask_a_person(order, credit, why, IncidentKind.CREDIT_REFUSED)


# --- A number that another transaction has (redemption/saga/doubts.py) --------------------------


@transaction.atomic
def _dispute(claim: _ClaimedTransaction, result: TransactionAnswer) -> None:
    """Start a doubt: the partner gave it a number that another of our transactions has."""
    intent, number = claim.call, result.transaction_id
    corrections.lock_its_line(intent)
    order = doubts.locked_with_others(intent, number)
    insists = intent.disputed_id == number
    holder = doubts.doubt_holder(number, insisted=insists and claim.step is NextAction.ASK)
    if holder is None:
        _record(claim, result)  # the other one has lost the number meanwhile
        return
    over = claim.step is NextAction.READ and holder.next_attempt_at is None
    doubt = Doubt.INSISTS if insists else Doubt.ASK
    wait = min(intent.wait(result.answer), doubts.PAUSE)
    if intent.status == TransactionStatus.SUCCEEDED:
        # Its own number counts as little as this one, and whose that is may need it.
        write = intent.if_ours(retry_in=None if over else wait)
        written = write(doubt=doubt, disputed_id=number, external_transaction_id="")
    else:
        told = TransactionAnswer(contradicted(result.answer, "transaction_id"))
        about_it = {"doubt": doubt, "disputed_id": number}
        written = _write(claim, told, known=False, retry_in=wait, **about_it)
    if not written:
        return
    doubts.lose(intent, told=number)
    why = doubts.given_twice(number, holder)
    if over and intent.status != TransactionStatus.SUCCEEDED:
        _ask_a_person(order, intent, why, IncidentKind.SWAPPED)
    else:
        steps.flag(order, why, kind=IncidentKind.SWAPPED, about=intent)


def _record_number(claim: _ClaimedTransaction, result: TransactionAnswer) -> None:
    """Record the number that the partner gave again for a transaction that had one."""
    order = doubts.locked_with_others(claim.call)
    intent, number, answer = claim.call, result.transaction_id, result.answer
    refused = answer.outcome is Outcome.REFUSED or answer.code == numbers.NOT_IN_STATEMENT
    if not number and not refused:
        intent.if_ours(retry_in=intent.wait(answer))()
        return
    kept = number != "" and number == intent.external_transaction_id
    told_otherwise = intent.disputed_id not in {"", number} or doubts.rivals(number).exists()
    insists = kept and claim.step is NextAction.ASK and told_otherwise
    # After its key the statement is read, or people are asked.
    end = intent.if_ours(retry_in=0 if insists else None)
    if not number:
        if end(doubt=Doubt.INSISTS):  # nothing more can be asked, so people must find out
            why = doubts.whose(intent)
            steps.flag(order, why, kind=IncidentKind.SWAPPED, about=intent)
    elif kept:
        if end(doubt=Doubt.INSISTS if insists else ""):
            doubts.wake(number, ask=False)
            if not insists:
                doubts.keep(intent)
    elif end(doubt="", external_transaction_id=number):
        doubts.correct(intent, number)


@transaction.atomic
def _record_check(claim: _ClaimedTransaction, result: TransactionAnswer) -> bool:
    """Record what the statement says about the debit that a credit is to name. Returns whether the
    credit may be sent now.

    Its debit is doubted when the statement has another number for it. A statement that does not
    come is waited for like any answer, but not for good.
    """
    credit, answer = claim.call, result.answer
    steps.locked(credit.order_id)  # before its transactions
    known = result.transaction_id or answer.code == numbers.NOT_IN_STATEMENT
    if not known and credit.attempts < LATE_TRIES:
        credit.if_ours(retry_in=credit.wait(answer))()
        return False
    number, debit = result.transaction_id, credit.original
    if number and debit and doubt_number(debit.pk, number):
        credit.if_ours(retry_in=doubts.PAUSE)()
        return False
    return credit.if_ours(retry_in=0)(answer_code=NUMBER_CHECKED)


def _unknown(order: RedemptionOrder, intent: LoyaltyTransaction, answer: Answer) -> None:
    if not intent.is_debit and intent.attempts >= LATE_TRIES:
        why = _("Points that are owed are still not given back; the partner gives no clear answer.")
        steps.flag(order, why, kind=IncidentKind.CREDIT_LATE, about=intent)
    if answer.mismatch:
        why = _("The partner's answer does not match what we asked.")
        steps.flag(order, why, kind=IncidentKind.MISMATCH, about=intent)
    elif not settings.LOYALTY_API_IDEMPOTENT and answer.may_have_landed:
        why = _("No clear answer, and this partner ignores keys.")
        _ask_a_person(order, intent, why, IncidentKind.HORIZON)


def go_on(order: RedemptionOrder, intent: LoyaltyTransaction, *, why: str) -> None:
    """Let the order go on after the outcome of a transaction is known, from an answer or from two
    people. `why` is told when nothing was taken.
    """
    if intent.is_correction:
        corrections.settled(order, intent, why=why)
    elif not intent.is_debit:
        steps.credited(order, intent)
    elif intent.status == TransactionStatus.SUCCEEDED:
        steps.confirm(order)
        seconds = (timezone.now() - intent.created_at).total_seconds()
        took_when_true(ORDER_SECONDS, seconds, "confirmed")
    else:
        steps.decline(order, why)
