"""Dual control: one person proposes a decision, with evidence; a second person confirms or rejects
it.

Several people may try at once: the first counts, and the others get an error. The caller has locked
the order and what the decision is about.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept
from redemption.incidents.services import settle_incident
from redemption.models import Decision, IncidentCase
from redemption.permissions import may_second
from redemption.saga.steps import RedemptionError
from redemption.states import DecisionStatus


def put_forward(decision: Decision, by: Actor) -> Decision:
    """Save a proposal, and write it into the order's history.

    Raises RedemptionError without evidence, or when a proposal is open already.
    """
    if not decision.evidence.strip():
        raise RedemptionError(_("Enter the evidence."))
    try:
        with transaction.atomic():
            decision.save(force_insert=True)
    except IntegrityError:
        raise RedemptionError(_("Somebody has proposed something already; see below.")) from None
    told = kept(
        lambda: (
            _("Proposed: %(verdict)s. %(evidence)s")
            % {"verdict": decision.told, "evidence": decision.evidence}
        )
    )
    first = decision.event("", decision.status, by=by, reason=told)
    first.save(force_insert=True)
    _recorded(decision, by)
    return decision


def proposed(decisions: QuerySet[Decision], by: Actor, shown: UUID | None) -> Decision:
    """The open proposal among these, locked, for a second person to decide on.

    Raises RedemptionError when there is none, when this person made it, or when it is not the one
    that was `shown` to them (None: they read it just now).
    """
    rows = decisions.select_for_update(no_key=True, of=("self",))
    rows = rows.select_related("transaction", "item")
    decision = rows.filter(status=DecisionStatus.PROPOSED).first()
    if decision is None:
        raise nothing_proposed()
    if not may_second(by, decision):
        raise RedemptionError(_("You proposed this yourself; a second person must decide."))
    if shown not in {None, decision.pk}:
        raise RedemptionError(_("Something else is proposed by now. Read it, and decide on that."))
    return decision


def agree(decision: Decision, by: Actor) -> str:
    """Record that `by` confirms the proposal. Returns the reason for what is done now."""
    told = kept(lambda: _("Confirmed: %(verdict)s.") % {"verdict": decision.told})
    _decide(decision, DecisionStatus.CONFIRMED, by=by, reason=told)
    return kept(lambda: _("Decided by two people: %(verdict)s.") % {"verdict": decision.told})


def disagree(decision: Decision, by: Actor, reason: str) -> None:
    """Record that `by` rejects the proposal; another may be made."""
    told = kept(
        lambda: (
            _("Rejected: %(verdict)s. %(reason)s") % {"verdict": decision.told, "reason": reason}
        )
    )
    _decide(decision, DecisionStatus.REJECTED, by=by, reason=told, remark=reason)


def end_incidents(about: Iterable[IncidentCase], decision: Decision, by: Actor) -> None:
    """End these cases, with the evidence of the decision."""
    for case in about:
        settle_incident(key=case.key, why=decision.evidence, by=by)


def nothing_proposed() -> RedemptionError:
    return RedemptionError(_("Nothing is proposed here any more."))


def too_late() -> RedemptionError:
    return RedemptionError(_("It was settled otherwise before; the proposal is closed."))


def _decide(
    decision: Decision, to: DecisionStatus, *, by: Actor, reason: str, **changes: Any
) -> None:
    decision.transition(
        to, by=by, reason=reason, decided_by_id=by.user_id, decided_at=timezone.now(), **changes
    )
    _recorded(decision, by)


def _recorded(decision: Decision, by: Actor) -> None:
    """Write into the trail that it was proposed, confirmed or rejected."""
    facts = {"status": decision.status, "verdict": decision.verdict, "units": decision.units}
    record(TrailKind.DECISION, by=by, about=decision, what=decision.told, facts=facts)
