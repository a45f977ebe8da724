"""Decides what became of a transaction when only people can find out: one proposes, another
confirms.
"""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import ENDED
from loyalty_portal.data.texts.kept import kept
from redemption.incidents.services import remark
from redemption.models import Decision, IncidentCase, LoyaltyTransaction, RedemptionOrder
from redemption.orders.actions.dual_control import (
    agree,
    disagree,
    end_incidents,
    proposed,
    put_forward,
    too_late,
)
from redemption.saga import corrections, doubts, steps
from redemption.saga.steps import RedemptionError, locked
from redemption.saga.transactions import go_on
from redemption.states import DecisionStatus, Doubt, IncidentKind, TransactionStatus, Verdict

_ABOUT_THE_OUTCOME = (
    IncidentKind.HORIZON,
    IncidentKind.CREDIT_REFUSED,
    IncidentKind.CREDIT_LATE,
    IncidentKind.SWAPPED,
)


@transaction.atomic
def propose(
    *, intent: LoyaltyTransaction, verdict: Verdict, entry: str, evidence: str, by: Actor
) -> Decision:
    """Propose what became of `intent`, for a second person to confirm.

    `entry` is the partner's number of the transaction, if it took place. Raises RedemptionError
    when there is nothing to decide, another proposal is open, or an input is missing.
    """
    locked(intent.order_id)
    held = _undecided(intent)
    if verdict == Verdict.TOOK_PLACE and not entry.strip():
        raise RedemptionError(_("Give the number of the partner's entry."))
    if held.is_final and verdict != Verdict.TOOK_PLACE:
        raise RedemptionError(_("It took place; only its number is in question."))
    if verdict == Verdict.DID_NOT and not held.is_debit:
        raise RedemptionError(_("These points are owed; they cannot be given up. Ask again."))
    return put_forward(
        Decision(
            transaction=held,
            verdict=verdict,
            external_transaction_id=entry.strip() if verdict == Verdict.TOOK_PLACE else "",
            evidence=evidence,
            proposed_by_id=by.person_id,
        ),
        by,
    )


def _undecided(intent: LoyaltyTransaction) -> LoyaltyTransaction:
    held = LoyaltyTransaction.objects.select_for_update(no_key=True).get(pk=intent.pk)
    if not held.is_undecided:
        raise RedemptionError(
            _("There is nothing to decide any more: it is “%(status)s”.")
            % {"status": held.get_status_display().lower()}
        )
    return held


def confirm(*, intent: LoyaltyTransaction, by: Actor, proposal: UUID | None = None) -> str:
    """Confirm the proposal as second person: the saga goes on as if the partner had given the
    outcome. Returns a sentence.

    `proposal` is the one that the person read. Raises RedemptionError for the person who proposed
    it, when no proposal or another one is open, or when the transaction was settled meanwhile.
    """
    try:
        with transaction.atomic():
            told = _confirm(intent, by, proposal)
    except IntegrityError:
        # The constraints say that an entry of the partner belongs to one transaction only.
        raise RedemptionError(
            _("The partner's entry belongs to another transaction of ours. Reject this.")
        ) from None
    if isinstance(told, RedemptionError):
        raise told
    return told


def _confirm(intent: LoyaltyTransaction, by: Actor, proposal: UUID | None) -> str | RedemptionError:
    """Confirm the decision. Returns what is done now, or what prevents it if that was recorded."""
    corrections.lock_its_line(intent)
    order = _locked_with_others(intent)
    decision = proposed(intent.decisions.all(), by, proposal)
    try:
        held = _undecided(intent)
    except RedemptionError as error:
        decision.transition(DecisionStatus.OVERTAKEN, by=by, reason=str(error))
        return too_late()
    number = decision.external_transaction_id
    if number and not doubts.may_give_up(number):
        return _contested(held, number, by)
    reason = agree(decision, by)
    if decision.verdict == Verdict.ASK_AGAIN:
        told = kept(lambda: decision.told)
        for case in _open_cases(held):
            remark(incident=case.incident, by=by, text=f"{case.order}: {told}")
        return _ask_again(held)
    _settle(order, held, decision, by=by, reason=reason)
    end_incidents(_open_cases(held), decision, by)
    return _("Confirmed. The order goes on.")


def _contested(held: LoyaltyTransaction, number: str, by: Actor) -> RedemptionError:
    """Ask first about the transaction that has the number. The proposal stays open."""
    holder = doubts.contest(number, to=held)
    told = _(
        "The partner's entry belongs to another transaction of ours, of %(order)s, whose number is "
        "being looked up now. Confirm this once that is known, or reject it."
    )
    said = kept(
        lambda: (
            _("Two people say that the number %(number)s is %(order)s's: it is looked up.")
            % {"number": number, "order": held.order.order_number}
        )
    )
    steps.note(holder.order, said, by=by)
    return RedemptionError(told % {"order": holder.order.order_number})


def _locked_with_others(intent: LoyaltyTransaction) -> RedemptionOrder:
    """Lock and return its order, with all orders in the same doubt or with the proposed number."""
    said = intent.decisions.filter(status=DecisionStatus.PROPOSED)
    numbers = said.values_list("external_transaction_id", flat=True)
    fresh = LoyaltyTransaction.objects.get(pk=intent.pk)
    return doubts.locked_with_others(fresh, numbers.first() or "")


def _ask_again(held: LoyaltyTransaction) -> str:
    """Two people found that nothing was done: start anew the time in which the partner knows the
    key.

    The partner repeats a refusal for as long as it knows the key, so the next try waits until then.
    """
    rows = LoyaltyTransaction.objects.filter(pk=held.pk)
    refused = held.incident_cases.filter(incident__kind=IncidentKind.CREDIT_REFUSED).exists()
    kept_for = timedelta(seconds=settings.LOYALTY_API_KEY_RETENTION)
    known = rows.filter(first_sent_at__gt=Now() - kept_for).values_list("first_sent_at", flat=True)
    if refused and (sent := known.first()):
        rows.update(next_attempt_at=sent + kept_for, first_sent_at=None)
        told = _(
            "Confirmed. The partner is asked again on %(when)s; until then it repeats its refusal."
        )
        when = timezone.localtime(sent + kept_for)
        return told % {"when": date_format(when, "SHORT_DATETIME_FORMAT")}
    rows.update(next_attempt_at=Now(), first_sent_at=None, doubt=Doubt.ASK if held.doubt else "")
    return _("Confirmed. The partner is asked again.")


def _settle(
    order: RedemptionOrder, held: LoyaltyTransaction, decision: Decision, *, by: Actor, reason: str
) -> None:
    disputed = held.disputed_id
    if decision.verdict == Verdict.DID_NOT:
        held.transition(
            TransactionStatus.REFUSED,
            by=by,
            reason=reason,
            settled_at=Now(),
            doubt="",
            **ENDED,
        )
        doubts.end(held, disputed)
        go_on(order, held, why=kept(lambda: _("The points could not be taken.")))
        return
    doubts.give_up(decision.external_transaction_id, to=held)
    if held.is_final:
        _renumber(held, decision.external_transaction_id, by=by)
        return
    held.transition(
        TransactionStatus.SUCCEEDED,
        by=by,
        reason=reason,
        settled_at=Now(),
        external_transaction_id=decision.external_transaction_id,
        doubt="",
        **ENDED,
    )
    doubts.end(held, disputed)
    go_on(order, held, why=reason)


def _renumber(held: LoyaltyTransaction, number: str, *, by: Actor) -> None:
    """Record the number that two people found for a transaction that took place."""
    LoyaltyTransaction.objects.filter(pk=held.pk).update(
        external_transaction_id=number, doubt="", **ENDED
    )
    if number == held.external_transaction_id:
        doubts.wake(number, ask=False)
    else:
        doubts.correct(held, number, by=by)


@transaction.atomic
def reject(
    *, intent: LoyaltyTransaction, reason: str, by: Actor, proposal: UUID | None = None
) -> None:
    """Reject the proposal as second person; another may be made.

    Raises RedemptionError for the person who proposed it, or when none is open.
    """
    locked(intent.order_id)
    disagree(proposed(intent.decisions.all(), by, proposal), by, reason)


def _open_cases(held: LoyaltyTransaction) -> list[IncidentCase]:
    cases = held.incident_cases.unended().filter(incident__kind__in=_ABOUT_THE_OUTCOME)
    # One order of locks everywhere, so that two decisions on the same incidents cannot deadlock.
    return list(cases.select_related("incident", "order").order_by("incident_id"))
