"""Sends requests to the Fulfillment API, and polls deliveries.

A worker claims the row, commits, calls, and records the answer only while it holds the lease.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from fulfillment import partner
from fulfillment.models import CallKind, Fulfillment, PartnerCall
from fulfillment.news import Resent, tell
from fulfillment.partner import FulfillmentAnswer
from fulfillment.states import CallStatus, FulfillmentStatus
from fulfillment.virtual import services
from loyalty_portal.data.leases import ENDED, backoff
from loyalty_portal.data.trouble import retried
from loyalty_portal.fastpath.sql import Prepared
from loyalty_portal.partners.calls import Claim, call_lease
from loyalty_portal.partners.client import Answer, Outcome

FIRST_POLL = 30.0  # seconds to wait for a callback before the first poll
PATIENCE = 8  # polls after a callback, over about four minutes


# The due call and its fulfillment, locked. The fulfillment is named, and so locked, first: whoever
# holds it is the only one to claim and settle its calls.
_due = Prepared(
    lambda key: (
        PartnerCall.objects.due()
        .select_related("fulfillment")
        .select_for_update(no_key=True, of=("fulfillment", "self"))
        .filter(pk=key)
    ),
    uuid.uuid4(),
)


@dataclass(frozen=True, slots=True)
class _ClaimedCall(Claim[PartnerCall]):
    partner_id: str


def ask(call_id: uuid.UUID) -> uuid.UUID | None:
    """Make one due call. Returns its fulfillment's id, or None when it is not due, or another
    worker has it.
    """
    claim = retried(lambda: _claim(call_id))
    if claim is None:
        return None
    answer = _send(claim)
    recorded(lambda: _record(claim.again(), answer))
    return claim.call.fulfillment_id


@transaction.atomic
def _claim(call_id: uuid.UUID) -> _ClaimedCall | None:
    found = _due(call_id)
    if not found:
        return None
    call = found[0]
    held = call.fulfillment
    call.find_lost()
    if call.status == CallStatus.UNKNOWN and _is_answered(call, held):
        known = _("Its outcome is known meanwhile.")
        call.transition(CallStatus.SUCCEEDED, reason=known, settled_at=Now(), **ENDED)
        return None
    if call.status == CallStatus.UNKNOWN and not call.may_be_sent():
        call.review(_("No clear answer in time."))
        if call.kind == CallKind.RESEND:  # at most, an e-mail came twice or not at all
            call.transition(CallStatus.REFUSED, reason=_("Given up."), settled_at=Now())
            tell(held, resent=Resent.UNKNOWN, facts={"call": str(call.pk)})
            return None
        services.flag(held, _("The partner gave no clear answer in time."), "HORIZON")
        return None
    first_try = call.first_sent_at is None
    call.send()
    if call.kind == CallKind.REQUEST and call.attempts == 1:
        tell(held)
    return _ClaimedCall(call, first_try, held.partner_id)


def _is_answered(call: PartnerCall, held: Fulfillment) -> bool:
    """Whether the call is no longer needed.

    That is so after a callback or a poll has shown the request's result, or when nothing is left to
    cancel.
    """
    known = bool(held.partner_id)
    return held.status != FulfillmentStatus.REQUESTED and known == (call.kind == CallKind.REQUEST)


def _send(claim: _ClaimedCall) -> FulfillmentAnswer:
    call = claim.call
    if call.kind == CallKind.REQUEST:
        return partner.send_request(call.body.encode(), call.key)
    partner_id = claim.partner_id
    if call.kind == CallKind.RESEND:
        body, reference = call.body.encode(), str(call.fulfillment_id)
        return partner.resend(partner_id, body, call.key, reference=reference)
    if not partner_id:
        found = partner.find(str(call.fulfillment_id))
        if found.answer.rejects_us:
            return FulfillmentAnswer(found.answer)
        if found.report is None:
            # not found, or no answer: the request may still be on its way
            return FulfillmentAnswer(
                Answer(Outcome.UNKNOWN, code="not_found_yet", may_have_landed=False)
            )
        partner_id = found.report.fulfillment_id
    return partner.cancel(partner_id, call.key, reference=str(call.fulfillment_id))


@transaction.atomic
def _record(claim: _ClaimedCall, result: FulfillmentAnswer) -> None:
    call, answer = claim.call, result.answer
    held = services.locked(call.fulfillment_id, result.report)
    # The partner's number became known during the call: with it the next try is another one.
    is_known_now = answer.outcome is Outcome.UNKNOWN and held.partner_id != claim.partner_id
    at_once = 0.0 if is_known_now else None
    if not call.record(answer, first_try=claim.first_try, retry_in=at_once):
        return
    if answer.mismatch:
        services.flag(held, _("The partner's answer does not match what we asked."), "MISMATCH")
    if result.report is not None:
        services.hear_answer(held=held, report=result.report)
    elif answer.outcome is Outcome.REFUSED:
        _refused(held, call, answer)
    if (
        call.kind == CallKind.CANCEL
        and call.is_final
        and held.status == FulfillmentStatus.REQUESTED
    ):
        tell(held)  # it cannot be cancelled any more
    if call.kind == CallKind.RESEND and call.is_final:
        done = answer.outcome is Outcome.SUCCEEDED
        facts = {"call": str(call.pk)}
        tell(held, resent=Resent.SENT if done else Resent.REFUSED, facts=facts)
    _watch(held)


def _refused(held: Fulfillment, call: PartnerCall, answer: Answer) -> None:
    if call.kind in {CallKind.CANCEL, CallKind.RESEND}:
        return  # the delivery is what it was
    services.refused(held=held, code=answer.code, detail=answer.detail)


def _watch(held: Fulfillment) -> None:
    """Poll the delivery later, in case no callback comes."""
    if held.status == FulfillmentStatus.REQUESTED and held.next_attempt_at is None:
        Fulfillment.objects.filter(pk=held.pk).update(
            next_attempt_at=Now() + timedelta(seconds=FIRST_POLL)
        )


def poll(fulfillment_id: uuid.UUID) -> bool:
    """Ask about a delivery. Returns False when it is not due, or another worker has it."""
    token = Fulfillment.objects.lease(fulfillment_id, seconds=call_lease())
    if token is None:
        return False
    result = look_up(Fulfillment.objects.get(pk=fulfillment_id))
    recorded(lambda: _record_poll(fulfillment_id, token, result))
    return True


def recorded(record: Callable[[], None]) -> None:
    """Record an answer, in one transaction. It is repeated when it lost against another one, or
    when another line was given the same number of the partner at that moment.
    """
    try:
        retried(record)
    except IntegrityError:  # what is not about the number is raised by the repetition as well
        retried(record)


@transaction.atomic
def _record_poll(fulfillment_id: uuid.UUID, token: uuid.UUID, result: FulfillmentAnswer) -> None:
    held = services.locked(fulfillment_id, result.report)
    answered = result.answer.outcome is not Outcome.UNKNOWN
    is_ours = Fulfillment.objects.release(
        fulfillment_id,
        token,
        retry_in=_ask_again_in(held, result.answer),
        told_at=Now() if answered else held.told_at,
    )
    if not is_ours and held.status == FulfillmentStatus.REQUESTED:
        return  # another worker has the lease now, and asks by itself
    # People may have settled it during the call. The partner's answer still counts as news.
    if result.report is not None:
        services.hear_answer(held=held, report=result.report)
    elif result.answer.mismatch:
        services.flag(held, _("The partner's answer does not match what we asked."), "MISMATCH")
    if held.hints and held.attempts >= PATIENCE:
        services.flag(held, _("A callback reported an end that the partner does not confirm."))


def _ask_again_in(held: Fulfillment, answer: Answer) -> float | None:
    """Seconds until the next poll: short while a hint is open, None once the delivery has ended."""
    waits = answer.retry_after or 0.0
    if held.hints:
        return max(waits, backoff(held.attempts))
    if held.status == FulfillmentStatus.REQUESTED:
        return max(waits, FIRST_POLL + backoff(held.attempts))
    return None


def look_up(held: Fulfillment) -> FulfillmentAnswer:
    """Ask by the partner's id, or by our reference if there is none or the partner does not know
    it.
    """
    if held.partner_id:
        result = partner.get(held.partner_id, reference=str(held.pk))
        if result.answer.outcome is not Outcome.REFUSED:
            return result
    return partner.find(str(held.pk))
