"""One person proposes what became of something, with evidence; another confirms or rejects it.

Each step may be tried by several people at once; the first one counts, and the others are told.
The caller has locked what it is about, and the order.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from redemption.incidents.services import settle_incident
from redemption.models import Decision, IncidentCase
from redemption.saga.steps import RedemptionError
from redemption.states import DecisionStatus


def put_forward(decision: Decision) -> Decision:
    """Write a proposal down, and into the order's history.

    Raises RedemptionError without evidence, or when something is proposed already.
    """
    if not decision.evidence.strip():
        raise RedemptionError(_("Say what shows it."))
    try:
        with transaction.atomic():
            decision.save(force_insert=True)
    except IntegrityError:
        raise RedemptionError(_("Somebody has proposed something already; see below.")) from None
    told = _("Proposed: %(verdict)s. %(evidence)s") % {
        "verdict": decision.told,
        "evidence": decision.evidence,
    }
    first = decision.event("", decision.status, by=decision.proposed_by, reason=told)
    first.save(force_insert=True)
    return decision


def proposed(decisions: QuerySet[Decision], by: Any, shown: UUID | None) -> Decision:
    """The open one among these, locked, for a second person to decide on.

    Raises RedemptionError when there is none, it is this person's own, or another one than was
    `shown` to them (None: they looked at this very moment).
    """
    rows = decisions.select_for_update(no_key=True, of=("self",))
    rows = rows.select_related("transaction", "item")
    decision = rows.filter(status=DecisionStatus.PROPOSED).first()
    if decision is None:
        raise RedemptionError(_("Nothing is proposed here any more."))
    if decision.proposed_by_id == by.pk:
        raise RedemptionError(_("You proposed this yourself; a second person must decide."))
    if shown not in {None, decision.pk}:
        raise RedemptionError(_("Something else is proposed by now. Read it, and decide on that."))
    return decision


def agree(decision: Decision, by: Any) -> str:
    """`by` confirms it; the reason for what is done now."""
    told = _("Confirmed: %(verdict)s.") % {"verdict": decision.told}
    _decide(decision, DecisionStatus.CONFIRMED, by=by, reason=told)
    return _("Decided by two people: %(verdict)s.") % {"verdict": decision.told}


def disagree(decision: Decision, by: Any, reason: str) -> None:
    """`by` rejects it; something else may be proposed."""
    told = _("Rejected: %(verdict)s. %(reason)s") % {
        "verdict": decision.told,
        "reason": reason,
    }
    _decide(decision, DecisionStatus.REJECTED, by=by, reason=told, remark=reason)


def end_incidents(about: Iterable[IncidentCase], decision: Decision, by: Any) -> None:
    """These cases are over, with the evidence of the decision."""
    for case in about:
        settle_incident(key=case.key, why=decision.evidence, by=by)


def too_late() -> RedemptionError:
    return RedemptionError(_("It was settled otherwise before; the proposal is put away."))


def _decide(
    decision: Decision, to: DecisionStatus, *, by: Any, reason: str, **changes: Any
) -> None:
    decision.transition(
        to, by=by, reason=reason, decided_by=by, decided_at=timezone.now(), **changes
    )
