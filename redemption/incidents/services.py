"""Raises, acknowledges and resolves incidents, in the transaction of what caused them.

An incident's row is locked before its cases change. Orders are locked before incidents, never
after.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Company
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.lifecycle import IllegalTransitionError
from loyalty_portal.data.texts.kept import kept
from redemption.incidents.cause import WINDOW, cause_of
from redemption.incidents.guide import GUIDE
from redemption.models import (
    Alert,
    AlertAction,
    EventSubject,
    Incident,
    IncidentCase,
    LoyaltyTransaction,
    OrderEvent,
    Reconciliation,
    RedemptionOrder,
)
from redemption.states import IncidentKind, IncidentStatus


class IncidentError(Exception):
    """An action on an incident is not possible; the message is a sentence for the person who
    tried.
    """


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
    """Open the case `key` (its subject, as in "stock-drift:SKU") and return its incident.

    A case that is open already is returned as it is. A new case joins the open incident of the same
    cause whose last case is no older than WINDOW, or starts a new incident, which sends an alert;
    all that a `run` finds shares one alert. `what` is one sentence. Neither `what` nor `facts` may
    hold a code or personal data: the alert sends them to other systems. The caller locks an order's
    row before, never after.
    """
    said: dict[str, Any] = {
        "what": what[:255],
        "order": order,
        "transaction": transaction,
        "facts": dict(facts or {}),
    }
    new = Incident(
        kind=kind,
        severity=GUIDE[kind].severity,
        key=cause_of(kind, key, said["facts"], about_points=transaction is not None),
        company=company or (order.company if order else None),
        run=run,
        **said,
    )
    while True:
        found = _with_open_case(key)
        if found is not None:
            _seen_again(found, new, key)
            break
        found = _to_join(new)
        if _open_case(IncidentCase(incident=found, key=key, **said)):
            if found.pk != new.pk:
                _grow(found, new)
            break
    found.refresh_from_db()
    return found


def _with_open_case(key: str) -> Incident | None:
    """The incident with this open case, locked; None when there is none, or it has just ended."""
    case = IncidentCase.objects.unended().filter(key=key).first()
    if case is None:
        return None
    held = held_incident(case.incident_id)
    return held if IncidentCase.objects.unended().filter(pk=case.pk).exists() else None


def _open_case(case: IncidentCase) -> bool:
    """Open the case. False when somebody else has just opened it."""
    IncidentCase.objects.bulk_create([case], ignore_conflicts=True)
    return IncidentCase.objects.filter(pk=case.pk).exists()


def _to_join(new: Incident) -> Incident:
    """The open incident to which `new` belongs, locked: a recent one of the same cause, or `new`
    itself.
    """
    rows = Incident.objects.select_for_update(no_key=True, of=("self",)).filter(key=new.key)
    while True:
        held = rows.unresolved().first() or _come_back(new)
        if held is None:
            Incident.objects.bulk_create([new], ignore_conflicts=True)
            held = rows.unresolved().first()
            if held is None:
                continue  # another process's incident was open, and was resolved just now
            if held.pk == new.pk:
                _begin(held)
                return held
        if _is_recent(held):
            return held
        # An incident that is open for so long does not take new cases: they need a new alert.
        Incident.objects.filter(pk=held.pk).update(key=f"{held.key[:200]}:{held.pk}")


def _is_recent(held: Incident) -> bool:
    return Incident.objects.filter(pk=held.pk, seen_at__gt=Now() - WINDOW).exists()


def _begin(made: Incident) -> None:
    made.event("", made.status, reason=made.what).save(force_insert=True)
    about = Alert(run=made.run) if made.run_id else Alert(incident=made)
    about.action = AlertAction.TRIGGER
    Alert.objects.bulk_create([about], ignore_conflicts=True)


def _come_back(new: Incident) -> Incident | None:
    """Reopen an incident that resolved itself, if its resolve alert was not sent yet."""
    if new.run is not None:
        return None
    rows = Incident.objects.select_for_update(no_key=True, of=("self",)).filter(
        key=new.key, status=IncidentStatus.RESOLVED, resolved_by=None, run=None
    )
    over = rows.filter(seen_at__gt=Now() - WINDOW).order_by("-resolved_at").first()
    if over is None:
        return None
    untold = over.alerts.filter(action=AlertAction.RESOLVE, sent_at=None, lease_until=None)
    try:
        with transaction.atomic():
            if not untold.delete()[0]:
                return None
            over.transition(
                IncidentStatus.OPEN,
                reason=kept(lambda: _("It came back.")),
                acknowledged_by=None,
                acknowledged_at=None,
                resolved_at=None,
                evidence="",
            )
    except IntegrityError:
        return None  # lost the race: another process has opened an incident of this cause; join it
    return over


def _seen_again(found: Incident, now: Incident, key: str) -> None:
    cases = IncidentCase.objects.unended().filter(key=key)
    before = cases.get().what
    cases.update(
        times_seen=F("times_seen") + 1, seen_at=timezone.now(), what=now.what, facts=now.facts
    )
    _grow(found, now)
    if before != now.what:
        found.event(found.status, found.status, reason=now.what).save(force_insert=True)


def _grow(found: Incident, now: Incident) -> None:
    """Show the newest case on the incident, and wake it if somebody has snoozed it. Each case
    keeps its own record.
    """
    if found.snoozed_until and found.snoozed_until > timezone.now():
        why = kept(lambda: _("Woken: it happened again."))
        found.event(found.status, found.status, reason=why).save(force_insert=True)
    Incident.objects.filter(pk=found.pk).update(
        times_seen=F("times_seen") + 1,
        seen_at=Now(),
        what=now.what,
        facts=now.facts,
        order=now.order,
        transaction=now.transaction,
        company=now.company,
        snoozed_until=None,
        snoozed_why="",
    )


@transaction.atomic
def acknowledge(*, incident: Incident, by: Actor) -> None:
    """Record that `by` works on the incident. Raises IncidentError when somebody else does, or it
    is over.
    """
    held = held_incident(incident.pk)
    if held.status == IncidentStatus.ACKNOWLEDGED:
        raise IncidentError(_("%(who)s is on it already.") % {"who": held.acknowledged_by})
    try:
        held.transition(
            IncidentStatus.ACKNOWLEDGED,
            by=by,
            acknowledged_by_id=by.user_id,
            acknowledged_at=timezone.now(),
        )
    except IllegalTransitionError:
        raise IncidentError(_("This incident is resolved already.")) from None


@transaction.atomic
def resolve(*, incident: Incident, by: Actor, evidence: str, cases: int | None = None) -> None:
    """End the incident with all its cases and its alert. `evidence` says why it is over.

    `cases`: how many open cases the person saw. Raises IncidentError without evidence, when there
    are more cases by now, or when the incident is over already.
    """
    if not evidence.strip():
        raise IncidentError(_("Enter the evidence that this is over."))
    orders = _locked_orders(incident.cases.unended().values_list("order_id", flat=True))
    held = held_incident(incident.pk)
    if held.is_over:
        raise IncidentError(_("This incident is resolved already."))
    ending = list(held.cases.unended())
    unlocked = any(case.order_id and case.order_id not in orders for case in ending)
    if unlocked or (cases is not None and len(ending) > cases):
        raise IncidentError(_("There are more cases of it by now. Look at them, and try again."))
    _end_cases(ending, by=by, why=evidence)
    _end(held, by=by, evidence=evidence)
    for order in orders.values():
        _unmark(order, by=by, why=evidence)


def remark(*, incident: Incident, by: Actor, text: str) -> None:
    """Write an entry into the incident's history that changes no status."""
    incident.event(incident.status, incident.status, by=by, reason=text).save(force_insert=True)


@transaction.atomic
def settle_incident(*, key: str, why: str, by: Actor = SYSTEM) -> bool:
    """End the case `key`: by itself, or by the decision that `by` confirmed as second person.

    The incident ends with its last case, and an order is no longer flagged after its last case.
    Returns whether there was such a case.
    """
    case = IncidentCase.objects.unended().filter(key=key).first()
    if case is None:
        return False
    orders = _locked_orders([case.order_id])
    held = held_incident(case.incident_id)
    if not _end_cases([case], by=by, why=why):
        return False
    if not held.cases.unended().exists():
        number = held.cases.count()
        last = kept(lambda: _("The last of %(number)s cases is over: %(why)s"))
        told = why if number == 1 else last % {"number": number, "why": why}
        _end(held, by=by, evidence=told[:2000])
    for order in orders.values():
        _unmark(order, by=by, why=why)
    return True


def held_incident(pk: UUID) -> Incident:
    """The incident as it is in the database now, locked until the transaction ends."""
    return Incident.objects.select_for_update(no_key=True, of=("self",)).get(pk=pk)


def _locked_orders(keys: Iterable[UUID | None]) -> dict[UUID, RedemptionOrder]:
    rows = RedemptionOrder.objects.filter(pk__in=[key for key in keys if key])
    return {row.pk: row for row in rows.held()}


def _end_cases(cases: Iterable[IncidentCase], *, by: Actor, why: str) -> int:
    rows = IncidentCase.objects.unended().filter(pk__in=[case.pk for case in cases])
    return rows.update(ended_at=timezone.now(), ended_by=by.user_id, why=why[:2000])


def _end(held: Incident, *, by: Actor, evidence: str) -> None:
    held.transition(
        IncidentStatus.RESOLVED,
        by=by,
        reason=evidence,
        resolved_by_id=by.user_id,
        resolved_at=timezone.now(),
        evidence=evidence,
        snoozed_until=None,
        snoozed_why="",
    )
    # Otherwise the alert ends with the last incident of the run (causes.py).
    if held.run_id is None:
        # A problem that ended by itself may return, so delay the message about the end.
        when = Now() + WINDOW if by.is_system else Now()
        Alert.objects.create(incident=held, action=AlertAction.RESOLVE, next_attempt_at=when)


def _unmark(order: RedemptionOrder, *, by: Actor, why: str) -> None:
    """Remove the flag of the order; or, while it has another open case, flag it for that one."""
    if not order.needs_attention:
        return
    cases = order.incident_cases.unended()
    left = cases.exclude(incident__kind=IncidentKind.PUZZLING_CALLBACK).first()
    reason = left.what.removeprefix(f"{order.order_number}: ") if left else ""
    if left is None:
        settled = kept(lambda: _("No longer needs a person: %(why)s"))
        seen = kept(lambda: _("Looked at: %(why)s"))
        told, about = (settled, why) if by.is_system else (seen, order.attention_reason)
        OrderEvent.objects.create(
            order=order,
            subject=EventSubject.NOTE,
            by_id=by.user_id,
            reason=(told % {"why": about})[:255],
        )
    order.needs_attention, order.attention_reason = left is not None, reason
    order.save(update_fields=["needs_attention", "attention_reason"])
