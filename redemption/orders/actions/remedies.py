"""Remedies for a delivery that was settled wrongly: codes of another order, or points that were
kept or given back although the partner did the opposite. Two people decide.

The partner is asked when the remedy is proposed and again when it is confirmed; both answers must
agree.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils.translation import gettext as _

from fulfillment import services as fulfillments
from fulfillment.models import Fulfillment
from fulfillment.partner import Report
from fulfillment.virtual import remedies
from fulfillment.virtual.hints import kept_codes
from fulfillment.virtual.remedies import Found, RemedyError
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept
from redemption.models import (
    Decision,
    IncidentCase,
    LetterKind,
    LoyaltyTransaction,
    OrderItem,
    TransactionType,
)
from redemption.orders.actions.dual_control import (
    agree,
    disagree,
    end_incidents,
    nothing_proposed,
    proposed,
    put_forward,
)
from redemption.orders.actions.services import is_being_taken
from redemption.saga.corrections import intend_correction
from redemption.saga.steps import RedemptionError, locked, note, write_letter
from redemption.states import (
    REMEDIES,
    DecisionStatus,
    IncidentKind,
    TransactionStatus,
    Verdict,
)


def offered(held: Fulfillment | None) -> list[Verdict]:
    """The remedies that may apply to an ended line. Only the partner's answer shows which does."""
    if held is None or not remedies.has_ended(held):
        return []
    codes = [Verdict.CODES] if held.quantity_delivered else []
    if is_being_taken(held.reference):
        return codes
    credit = [Verdict.CREDIT] if held.quantity_delivered else []
    missing = held.quantity_failed > _written_off(held.reference)
    return [*codes, *credit, *((Verdict.CORRECTION, Verdict.WRITE_OFF) if missing else ())]


def _written_off(line: UUID) -> int:
    """The line's delivered units whose points two people left with the company."""
    decided = Decision.objects.filter(item=line, status=DecisionStatus.CONFIRMED)
    return _sum(decided.filter(verdict=Verdict.WRITE_OFF), "units")


def propose(
    *,
    item: OrderItem,
    verdict: Verdict,
    evidence: str,
    agreed_by: str = "",
    agreed_on: date | None = None,
    by: Actor,
) -> Decision:
    """Ask the partner (a call), and propose a remedy that its answer calls for.

    Raises RedemptionError when the answer calls for another remedy or for none, when there is no
    answer, when a proposal is open, or when an input is missing.
    """
    if verdict == Verdict.CORRECTION and not (agreed_by.strip() and agreed_on):
        raise RedemptionError(_("Enter who agreed for the company, and when."))
    report = _asked(_ended(item, verdict))
    with transaction.atomic():
        held = fulfillments.locked(_ended(item, verdict))
        locked(item.order_id)
        units = _fitting(item, held, report, verdict)
        correction = verdict == Verdict.CORRECTION
        return put_forward(
            Decision(
                item=item,
                verdict=verdict,
                units=units,
                found=remedies.found_in(report),
                agreed_by=agreed_by.strip() if correction else "",
                agreed_on=agreed_on if correction else None,
                evidence=evidence,
                proposed_by_id=by.person_id,
            ),
            by,
        )


def confirm(*, item: OrderItem, by: Actor, proposal: UUID | None = None) -> str:
    """Confirm the remedy as second person, and carry it out if the partner still gives the same
    answer. Returns a sentence.

    `proposal` is the one that the person read. Raises RedemptionError for the person who proposed
    it, when no proposal or another one is open, or when the partner answers differently by now;
    then the proposal is closed.
    """
    if not item.decisions.filter(status=DecisionStatus.PROPOSED, verdict__in=REMEDIES).exists():
        raise nothing_proposed()
    report = _asked(_parcel(item))
    try:
        told, why = _confirm(item, report, by, proposal)
    except RemedyError as error:
        raise RedemptionError(str(error)) from None
    if why:
        raise RedemptionError(_("The proposal is closed: %(why)s") % {"why": why})
    return told


@transaction.atomic
def _confirm(item: OrderItem, report: Report, by: Actor, proposal: UUID | None) -> tuple[str, str]:
    """Carry out the remedy. Returns what is done now, or why the proposal no longer holds."""
    held = fulfillments.locked(_parcel(item))
    order = locked(item.order_id)
    decision = proposed(item.decisions.filter(verdict__in=REMEDIES), by, proposal)
    decision.item = item = OrderItem.objects.get(pk=item.pk)
    why = _overtaken(item, held, report, decision)
    if why:
        decision.transition(DecisionStatus.OVERTAKEN, by=by, reason=why)
        return "", why
    reason = agree(decision, by)
    verdict = Verdict(decision.verdict)
    if verdict == Verdict.CODES:
        remedies.replace_codes(held, report, by=by)
        write_letter(order, LetterKind.CORRECTED, occasion=decision.pk, item=item)
        told = _("Confirmed. The wrong codes are withdrawn, and the right ones can be shown.")
    elif verdict == Verdict.CREDIT:
        why = kept(lambda: _("Our partner did not deliver it after all."))
        remedies.take_back(held, report, reason=why, by=by)
        told = _("Confirmed. The points go back.")
    elif verdict == Verdict.CORRECTION:
        intend_correction(order, decision, by=by)
        told = _("Confirmed. The points are being taken again.")
    else:
        note(order, reason, by=by)
        told = _("Confirmed. The points stay with the company.")
    remedies.done_with(held)
    end_incidents(_open_cases(item), decision, by)
    return told, ""


def _overtaken(item: OrderItem, held: Fulfillment, report: Report, decision: Decision) -> str:
    """Why the delivery is not as it was when the remedy was proposed; "" when it is."""
    now, then = _essence(remedies.found_in(report)), _essence(decision.found)
    if now != then:
        return kept(lambda: _("The partner says something else by now."))
    try:
        units = _fitting(item, held, report, Verdict(decision.verdict))
    except RedemptionError as error:
        return str(error)
    return "" if units == decision.units else kept(lambda: _("It is about other units by now."))


def _essence(found: Found | None) -> Mapping[str, object]:
    return {name: value for name, value in (found or {}).items() if name != "updated_at"}


@transaction.atomic
def reject(*, item: OrderItem, reason: str, by: Actor, proposal: UUID | None = None) -> None:
    """Reject the remedy as second person; another may be proposed.

    Raises RedemptionError for the person who proposed it, or when none is open.
    """
    fulfillments.locked(_parcel(item))
    locked(item.order_id)
    waiting = item.decisions.filter(verdict__in=REMEDIES)
    disagree(proposed(waiting, by, proposal), by, reason)


def _parcel(item: OrderItem) -> Fulfillment:
    held = fulfillments.find(item.pk)
    if held is None:
        raise RedemptionError(_("This line is not with the partner."))
    return held


def _ended(item: OrderItem, verdict: Verdict) -> Fulfillment:
    held = _parcel(item)
    if verdict not in offered(held):
        if why := _settled_otherwise(item, held, verdict):
            raise RedemptionError(why)
        raise RedemptionError(
            _("This does not go with a line that is “%(status)s”.")
            % {"status": held.get_status_display().lower()}
        )
    return held


def _settled_otherwise(item: OrderItem, held: Fulfillment, verdict: Verdict) -> str:
    """Why another remedy of the line forbids this one; "" when none does."""
    if verdict != Verdict.CODES and is_being_taken(item.pk):
        return _("Points of this line are being taken again. Wait until that has ended.")
    missing = verdict in {Verdict.CORRECTION, Verdict.WRITE_OFF} and held.quantity_failed
    if missing and held.quantity_failed <= _written_off(item.pk):
        return _("The points of this line were left with the company: two people decided it.")
    return ""


def _asked(held: Fulfillment) -> Report:
    try:
        return remedies.ask_anew(held)
    except RemedyError as error:
        raise RedemptionError(str(error)) from None


def _fitting(item: OrderItem, held: Fulfillment, report: Report, verdict: Verdict) -> int:
    """How many units the remedy is about, by the partner's answer.

    Raises RedemptionError when the answer does not call for it, or the points do not allow it.
    """
    if why := _settled_otherwise(item, held, verdict):
        raise RedemptionError(why)
    found = remedies.found_in(report)
    came, ours = found["units"], held.quantity_delivered
    wrong_codes = came == ours and found["codes"] != kept_codes(held)
    missing = came - ours - _written_off(item.pk)
    fits = {
        Verdict.CODES: came if wrong_codes else 0,
        Verdict.CREDIT: ours - came,
        Verdict.CORRECTION: missing,
        Verdict.WRITE_OFF: missing,
    }
    if fits[verdict] <= 0:
        told = _(
            "The partner says “%(status)s” with %(came)s codes; here %(ours)s are delivered. "
            "That does not call for this."
        )
        raise RedemptionError(told % {"status": report.status, "came": came, "ours": ours})
    if verdict == Verdict.CORRECTION:
        _went_back(item, fits[verdict] * item.points_per_item)
    return fits[verdict]


def _went_back(item: OrderItem, points: int) -> None:
    """Raise RedemptionError if the points to take again are not all credited yet.

    The database would refuse it too (corrections_within_credits).
    """
    moved = LoyaltyTransaction.objects.filter(item=item, status=TransactionStatus.SUCCEEDED)
    credits_ = moved.filter(transaction_type=TransactionType.CREDIT)
    again = moved.filter(transaction_type=TransactionType.CORRECTION)
    left = _written_off(item.pk) * item.points_per_item
    all_the_same = item.quantity_credited * item.points_per_item
    back = _sum(credits_, "points_amount") - _sum(again, "points_amount") - left - all_the_same
    if points > back:
        told = _(
            "Only %(back)s of these %(points)s points went back so far. Wait until all of them "
            "have."
        )
        raise RedemptionError(told % {"back": back, "points": points})


def _sum(rows: QuerySet[Any], column: str) -> int:
    return int(rows.aggregate(sum=Sum(column))["sum"] or 0)


def _open_cases(item: OrderItem) -> list[IncidentCase]:
    about = item.order.incident_cases.unended().filter(facts__line=str(item.pk))
    told = about.filter(incident__kind=IncidentKind.CONTRADICTION)
    return list(told.order_by("incident_id"))
