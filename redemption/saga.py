"""Debits and credits: claim, commit, call, and record only while the lease is still ours."""

import uuid
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import loyalty
from accounts.loyalty import TransactionAnswer
from loyalty_portal.hot import Prepared
from loyalty_portal.leases import ENDED, REJECTED_WAIT, backoff
from loyalty_portal.lifecycle import StaleStatusError
from loyalty_portal.partner_http import Answer, Outcome, contradicted
from loyalty_portal.trouble import retried
from redemption import corrections, services
from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.states import IncidentKind, TransactionStatus

LEASE_MARGIN = 5.0  # seconds beyond a call's deadline
HORIZON_SHARE = 0.8  # of the time for which the partner keeps keys
LATE_TRIES = 10  # of a credit, over about half an hour; then somebody should know
LONGEST_WAIT = {"DEBIT": 300.0, "CREDIT": 3600.0, "CORRECTION": 3600.0}  # seconds between two tries


_KEY = uuid.uuid4()  # stands for a transaction's id
_due = Prepared(lambda key: LoyaltyTransaction.objects.due().filter(pk=key), _KEY)


@dataclass(frozen=True, slots=True)
class _Claim:
    intent: LoyaltyTransaction
    first_try: bool


def settle_transaction(transaction_id: uuid.UUID) -> uuid.UUID | None:
    """Ask the partner once about one due transaction; its order's id.

    None when it was not due, or somebody else is asking.
    """
    claim = _claim(transaction_id)
    if claim is None:
        return None
    send = loyalty.send_debit if claim.intent.is_debit else loyalty.send_credit
    result = send(claim.intent.body.encode(), claim.intent.key)

    # Each try begins with the row as it was claimed: one that was rolled back leaves no trace.
    def record() -> None:
        _record(replace(claim, intent=copy(claim.intent)), result)

    try:
        retried(record)
    except IntegrityError as error:
        if not _is_about_the_entry(error):
            raise
        result = TransactionAnswer(contradicted(result.answer, "transaction_id"))
        retried(record)
    return claim.intent.order_id


def _is_about_the_entry(error: Any) -> bool:
    """Whether the partner named an entry that is another transaction's already."""
    return bool(error.__cause__.diag.constraint_name == "partners_entry_once")


def _claim(transaction_id: uuid.UUID) -> _Claim | None:
    try:
        with transaction.atomic():
            found = _due(transaction_id)
            return _claimed(found[0]) if found else None
    except StaleStatusError:
        return None  # somebody else was quicker


def _claimed(intent: LoyaltyTransaction) -> _Claim | None:
    """Claim what was read without a lock, or ask a person."""
    first_try = intent.first_sent_at is None
    # Known before the row is touched: an order is locked before its transactions.
    order = None if first_try or _may_repeat(intent) else services.locked(intent.order_id)
    if intent.status == TransactionStatus.SENT:
        lost = _("The process that asked was lost.")
        intent.transition(TransactionStatus.UNKNOWN, write=intent.if_due, reason=lost)
    if order is not None:
        why = _("No clear answer from the partner; asking again is not safe.")
        _ask_a_person(order, intent, why, IncidentKind.HORIZON, write=intent.if_due)
        return None
    # Written before the socket opens: should this process die, the try may have landed.
    changes = intent.leased(seconds=settings.PARTNER_DEADLINE + LEASE_MARGIN)
    if first_try:
        changes["first_sent_at"] = Now()
    intent.transition(TransactionStatus.SENT, write=intent.if_due, **changes)
    return _Claim(intent, first_try)


def _may_repeat(intent: LoyaltyTransaction) -> bool:
    """Whether the partner still knows the key of an earlier try (saga.md, rules 7 and 8)."""
    horizon = timedelta(seconds=settings.LOYALTY_API_KEY_RETENTION * HORIZON_SHARE)
    remembered = LoyaltyTransaction.objects.filter(pk=intent.pk, first_sent_at__gt=Now() - horizon)
    return settings.LOYALTY_API_IDEMPOTENT and remembered.exists()


def _ask_a_person(
    order: RedemptionOrder,
    intent: LoyaltyTransaction,
    why: str,
    kind: IncidentKind,
    write: Callable[..., object] | None = None,
) -> None:
    intent.transition(TransactionStatus.NEEDS_REVIEW, reason=why, write=write, **ENDED)
    services.flag(order, why, kind=kind, about=intent)


@transaction.atomic
def _record(claim: _Claim, result: TransactionAnswer) -> None:
    corrections.lock_its_line(claim.intent)
    order = services.locked(claim.intent.order_id)
    intent, answer = claim.intent, result.answer
    refused_credit = answer.outcome is Outcome.REFUSED and not intent.is_debit
    known = answer.outcome is not Outcome.UNKNOWN and not refused_credit
    changes: dict[str, Any] = {"settled_at": timezone.now()} if known else {}
    if claim.first_try and not answer.may_have_landed:
        changes["first_sent_at"] = None
    try:
        intent.transition(
            TransactionStatus(answer.outcome) if known else TransactionStatus.UNKNOWN,
            reason=answer.told,
            write=intent.if_ours(retry_in=None if known else _wait(intent, answer)),
            external_transaction_id=result.transaction_id,
            answer_status=answer.status_code,
            answer_code=answer.code[:100],
            answer_detail=answer.detail[:255],
            **changes,
        )
    except StaleStatusError:
        return  # the lease ran out; whoever has it now gets the same answer to the same key
    if known:
        _go_on(order, intent, answer)
    elif refused_credit:
        why = _("The partner refused to give points back: %(code)s") % {"code": answer.code}
        _ask_a_person(order, intent, why, IncidentKind.CREDIT_REFUSED)
    else:
        _unknown(order, intent, answer)


def _wait(intent: LoyaltyTransaction, answer: Answer) -> float:
    # Nothing is done while our key is not taken; once it is mended, all goes on soon.
    longest = REJECTED_WAIT if answer.rejects_us else LONGEST_WAIT[intent.transaction_type]
    return max(answer.retry_after or 0.0, backoff(intent.attempts, cap=longest))


def _unknown(order: RedemptionOrder, intent: LoyaltyTransaction, answer: Answer) -> None:
    if not intent.is_debit and intent.attempts >= LATE_TRIES:
        why = _("Points that are owed are still not given back; the partner gives no clear answer.")
        services.flag(order, why, kind=IncidentKind.CREDIT_LATE, about=intent)
    if answer.mismatch:
        why = _("The partner's answer does not match what we asked.")
        services.flag(order, why, kind=IncidentKind.MISMATCH, about=intent)
    elif not settings.LOYALTY_API_IDEMPOTENT and answer.may_have_landed:
        why = _("No clear answer, and this partner ignores keys.")
        _ask_a_person(order, intent, why, IncidentKind.HORIZON)


def _go_on(order: RedemptionOrder, intent: LoyaltyTransaction, answer: Answer) -> None:
    if intent.is_correction:
        corrections.settled(order, intent, why=answer.told)
    elif not intent.is_debit:
        services.credited(order, intent)
    elif answer.outcome is Outcome.SUCCEEDED:
        services.confirm(order)
    else:
        services.decline(order, answer.told)
