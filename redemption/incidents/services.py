"""Raising, acknowledging and resolving incidents, in the transaction of what caused them."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Company
from loyalty_portal.lifecycle import IllegalTransitionError
from redemption.incidents.guide import GUIDE
from redemption.models import (
    Alert,
    AlertAction,
    Incident,
    LoyaltyTransaction,
    Reconciliation,
    RedemptionOrder,
)
from redemption.states import IncidentKind, IncidentStatus


class IncidentError(Exception):
    """What cannot be done with an incident, in a sentence for the person who tried."""


@transaction.atomic
def raise_incident(
    *,
    kind: IncidentKind,
    key: str,
    what: str,
    order: RedemptionOrder | None = None,
    transaction: LoyaltyTransaction | None = None,
    company: Company | None = None,
    facts: Mapping[str, str | int] | None = None,
    run: Reconciliation | None = None,
) -> Incident:
    """The open incident about `key` (its subject, as in "stock-drift:SKU"), made when need be.

    Alerts once, and what a `run` found once for all of it; seen again, it counts, and says in its
    history what was new. `what` is one sentence; neither it nor `facts` may hold a code or
    anything about a person: they leave the house with the alert. An order's row is locked before,
    never after.
    """
    made = Incident(
        kind=kind,
        severity=GUIDE[kind].severity,
        key=key,
        what=what[:255],
        order=order,
        transaction=transaction,
        company=company or (order.company if order else None),
        facts=dict(facts or {}),
        run=run,
    )
    while True:
        Incident.objects.bulk_create([made], ignore_conflicts=True)
        found = _locked(key)
        # None: it was open when we wanted to make it, and resolved a moment later.
        if found is not None:
            break
    if found.pk == made.pk:
        found.event("", found.status, reason=found.what).save(force_insert=True)
        about = Alert(run=run) if run else Alert(incident=found)
        about.action = AlertAction.TRIGGER
        Alert.objects.bulk_create([about], ignore_conflicts=True)
    else:
        _seen_again(found, made)
    return found


def _locked(key: str) -> Incident | None:
    rows = Incident.objects.unresolved().select_for_update(no_key=True, of=("self",))
    return rows.filter(key=key).first()


def _seen_again(found: Incident, now: Incident) -> None:
    Incident.objects.filter(pk=found.pk).update(
        times_seen=F("times_seen") + 1, seen_at=timezone.now(), what=now.what, facts=now.facts
    )
    if found.what != now.what:
        found.event(found.status, found.status, reason=now.what).save(force_insert=True)
    found.refresh_from_db()


@transaction.atomic
def acknowledge(*, incident: Incident, by: Any) -> None:
    """`by` is on it. Raises IncidentError when somebody else is, or it is over."""
    held = _held(incident)
    if held.status == IncidentStatus.ACKNOWLEDGED:
        raise IncidentError(_("%(who)s is on it already.") % {"who": held.acknowledged_by})
    try:
        held.transition(
            IncidentStatus.ACKNOWLEDGED,
            by=by,
            acknowledged_by=by,
            acknowledged_at=timezone.now(),
        )
    except IllegalTransitionError:
        raise IncidentError(_("This incident is resolved already.")) from None


@transaction.atomic
def resolve(*, incident: Incident, by: Any, evidence: str) -> None:
    """It is over, and `evidence` says why that is so; its alert ends.

    Raises IncidentError without evidence, or when it is over already.
    """
    if not evidence.strip():
        raise IncidentError(_("Say what shows that this is over."))
    held = _held(incident)
    if held.is_final:
        raise IncidentError(_("This incident is resolved already."))
    _end(held, by=by, evidence=evidence)


def remark(*, incident: Incident, by: Any, text: str) -> None:
    """Write a line into the incident's history that changes no status."""
    incident.event(incident.status, incident.status, by=by, reason=text).save(force_insert=True)


@transaction.atomic
def settle_incident(*, key: str, why: str) -> bool:
    """The cause went away by itself: resolve the open incident about `key`, if there is one."""
    held = _locked(key)
    if held is not None:
        _end(held, by=None, evidence=why)
    return held is not None


def _held(incident: Incident) -> Incident:
    return Incident.objects.select_for_update(no_key=True, of=("self",)).get(pk=incident.pk)


def _end(held: Incident, *, by: Any, evidence: str) -> None:
    held.transition(
        IncidentStatus.RESOLVED,
        by=by,
        reason=evidence,
        resolved_by=by,
        resolved_at=timezone.now(),
        evidence=evidence,
    )
    if held.run_id is None:  # else the alert ends with the last of them (causes.py)
        Alert.objects.create(incident=held, action=AlertAction.RESOLVE)
