"""Debits and credits: claim, commit, call, and record only while the lease is still ours."""

import uuid
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import loyalty
from accounts.loyalty import TransactionAnswer
from loyalty_portal.hot import Prepared
from loyalty_portal.leases import backoff
from loyalty_portal.partner_http import Answer, Outcome, contradicted
from loyalty_portal.trouble import retried
from redemption import services
from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.states import IncidentKind, TransactionStatus

LEASE_MARGIN = 5.0  # seconds beyond a call's deadline
HORIZON_SHARE = 0.8  # of the time for which the partner keeps keys
LATE_TRIES = 10  # of a credit, over about half an hour; then somebody should know
LONGEST_WAIT = {"DEBIT": 300.0, "CREDIT": 3600.0}  # seconds between two tries


_KEY = uuid.uuid4()  # stands for a transaction's id
_read = Prepared(lambda key: LoyaltyTransaction.objects.filter(pk=key), _KEY)


@dataclass(frozen=True, slots=True)
class _Claim:
    intent: LoyaltyTransaction
    token: uuid.UUID
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


@transaction.atomic
def _claim(transaction_id: uuid.UUID) -> _Claim | None:
    rows = LoyaltyTransaction.objects
    token = rows.lease(transaction_id, seconds=settings.PARTNER_DEADLINE + LEASE_MARGIN)
    if token is None:
        return None
    [intent] = _read(transaction_id)
    if intent.status == TransactionStatus.SENT:
        intent.transition(TransactionStatus.UNKNOWN, reason=_("The process that asked was lost."))
    first_try = intent.first_sent_at is None
    if intent.status == TransactionStatus.UNKNOWN and not first_try and not _may_repeat(intent):
        rows.release(transaction_id, token, retry_in=None)
        why = _("No clear answer from the partner; asking again is not safe.")
        _ask_a_person(intent, why, IncidentKind.HORIZON)
        return None
    # Written before the socket opens: should this process die, the try may have landed.
    changes: dict[str, Any] = {"first_sent_at": Now()} if first_try else {}
    intent.transition(TransactionStatus.SENT, **changes)
    return _Claim(intent, token, first_try)


def _may_repeat(intent: LoyaltyTransaction) -> bool:
    """Whether the partner still knows the key of an earlier try (saga.md, rules 7 and 8)."""
    horizon = timedelta(seconds=settings.LOYALTY_API_KEY_RETENTION * HORIZON_SHARE)
    remembered = LoyaltyTransaction.objects.filter(pk=intent.pk, first_sent_at__gt=Now() - horizon)
    return settings.LOYALTY_API_IDEMPOTENT and remembered.exists()


def _ask_a_person(intent: LoyaltyTransaction, why: str, kind: IncidentKind) -> None:
    order = services.locked(intent.order_id)
    intent.transition(TransactionStatus.NEEDS_REVIEW, reason=why)
    services.flag(order, why, kind=kind, about=intent)


@transaction.atomic
def _record(claim: _Claim, result: TransactionAnswer) -> None:
    order = services.locked(claim.intent.order_id)
    intent, answer = claim.intent, result.answer
    unknown = answer.outcome is Outcome.UNKNOWN
    ours = LoyaltyTransaction.objects.release(
        intent.pk,
        claim.token,
        retry_in=_wait(intent, answer) if unknown else None,
        external_transaction_id=result.transaction_id,
        answer_status=answer.status_code,
        answer_code=answer.code[:100],
        answer_detail=answer.detail[:255],
    )
    if not ours:
        return  # the lease ran out; whoever has it now gets the same answer to the same key
    if answer.outcome is Outcome.REFUSED and not intent.is_debit:
        _unknown(order, claim, answer)
        LoyaltyTransaction.objects.filter(pk=intent.pk).update(next_attempt_at=None)
        why = _("The partner refused to give points back: %(code)s") % {"code": answer.code}
        _ask_a_person(intent, why, IncidentKind.CREDIT_REFUSED)
    elif unknown:
        _unknown(order, claim, answer)
    else:
        intent.transition(
            TransactionStatus(answer.outcome), reason=answer.told, settled_at=timezone.now()
        )
        _go_on(order, intent, answer)


def _wait(intent: LoyaltyTransaction, answer: Answer) -> float:
    return max(
        answer.retry_after or 0.0,
        backoff(intent.attempts, cap=LONGEST_WAIT[intent.transaction_type]),
    )


def _unknown(order: RedemptionOrder, claim: _Claim, answer: Answer) -> None:
    changes: dict[str, datetime | None] = {}
    if claim.first_try and not answer.may_have_landed:
        changes["first_sent_at"] = None
    claim.intent.transition(TransactionStatus.UNKNOWN, reason=answer.told, **changes)
    if not claim.intent.is_debit and claim.intent.attempts >= LATE_TRIES:
        why = _("Points that are owed are still not given back; the partner gives no clear answer.")
        services.flag(order, why, kind=IncidentKind.CREDIT_LATE, about=claim.intent)
    if answer.mismatch:
        why = _("The partner's answer does not match what we asked.")
        services.flag(order, why, kind=IncidentKind.MISMATCH, about=claim.intent)
    elif not settings.LOYALTY_API_IDEMPOTENT and answer.may_have_landed:
        LoyaltyTransaction.objects.filter(pk=claim.intent.pk).update(next_attempt_at=None)
        why = _("No clear answer, and this partner ignores keys.")
        _ask_a_person(claim.intent, why, IncidentKind.HORIZON)


def _go_on(order: RedemptionOrder, intent: LoyaltyTransaction, answer: Answer) -> None:
    if not intent.is_debit:
        services.credited(order, intent)
    elif answer.outcome is Outcome.SUCCEEDED:
        services.confirm(order)
    else:
        services.decline(order, answer.told)
