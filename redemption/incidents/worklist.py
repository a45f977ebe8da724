"""Who looks after an incident, and until when it is left out of the list of work. Each change is
recorded in the incident's history.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.models import User
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept
from redemption.incidents.services import IncidentError, held_incident, remark
from redemption.models import Incident
from redemption.states import IncidentStatus

HANDLE = "redemption.handle_incident"
LONGEST_SNOOZE = timedelta(days=30)


@transaction.atomic
def assign(*, incident: Incident, to: User, seen: UUID | None, by: Actor) -> None:
    """Have `to` look after the incident: the actor, or a colleague who may.

    `seen` is the key of the person who had it when the actor last looked, None for nobody. Raises
    IncidentError when that has changed since, it is theirs already, or they may not handle it.
    """
    held = _open_still(incident, by)
    _must_be_as_seen(held, seen)
    if held.acknowledged_by_id == to.pk:
        raise IncidentError(_("%(who)s is on it already.") % {"who": to})
    if not (to.is_active and to.is_staff and to.has_perm(HANDLE)):
        raise IncidentError(_("%(who)s may not handle incidents.") % {"who": to})
    told = kept(lambda: _("Assigned to %(who)s.") % {"who": to}) if to.pk != by.user_id else ""
    if held.acknowledged_by_id:
        before = {"who": to, "before": held.acknowledged_by}
        told = kept(lambda: _("Assigned to %(who)s; before, it was with %(before)s.") % before)
        Incident.objects.filter(pk=held.pk).update(
            acknowledged_by=to, acknowledged_at=timezone.now()
        )
        remark(incident=held, by=by, text=told)
        return
    held.transition(
        IncidentStatus.ACKNOWLEDGED,
        by=by,
        reason=told,
        acknowledged_by_id=to.pk,
        acknowledged_at=timezone.now(),
    )


@transaction.atomic
def give_back(*, incident: Incident, seen: UUID | None, by: Actor) -> None:
    """Let nobody look after the incident any more. Raises IncidentError when nobody does, or
    somebody else than the one that the actor saw.
    """
    held = _open_still(incident, by)
    _must_be_as_seen(held, seen)
    if held.acknowledged_by is None:
        raise IncidentError(_("Nobody is on it."))
    held.transition(
        IncidentStatus.OPEN,
        by=by,
        reason=kept(lambda: _("Given back by %(who)s.") % {"who": held.acknowledged_by}),
        acknowledged_by_id=None,
        acknowledged_at=None,
    )


@transaction.atomic
def snooze(*, incident: Incident, until: datetime, why: str, by: Actor) -> None:
    """Leave the incident out of the list of work until then, or until it happens again.

    Raises IncidentError without a reason, when the moment is past or after LONGEST_SNOOZE, or when
    somebody has snoozed it already.
    """
    held, now = _open_still(incident, by), timezone.now()
    if not why.strip():
        raise IncidentError(_("Say why it can wait."))
    if not now < until <= now + LONGEST_SNOOZE:
        days = LONGEST_SNOOZE.days
        raise IncidentError(_("It can wait from now up to %(days)s days.") % {"days": days})
    if held.snoozed_until and held.snoozed_until > now:
        when = {"when": _moment(held.snoozed_until)}
        raise IncidentError(_("It is snoozed already, until %(when)s.") % when)
    why = why.strip()[:255]
    _write(held, until, why)
    told = kept(lambda: _("Snoozed until %(when)s: %(why)s") % {"when": _moment(until), "why": why})
    remark(incident=held, by=by, text=told)


@transaction.atomic
def wake(*, incident: Incident, by: Actor) -> None:
    """Bring a snoozed incident back into the list. Raises IncidentError when it is there."""
    held = _open_still(incident, by)
    if held.snoozed_until is None or held.snoozed_until <= timezone.now():
        raise IncidentError(_("It is not snoozed."))
    _write(held, None, "")
    remark(incident=held, by=by, text=kept(lambda: _("Woken.")))


def _open_still(incident: Incident, by: Actor) -> Incident:
    """The incident, locked. Raises IncidentError when it is over, or the actor may not."""
    if not by.has_perm(HANDLE):
        raise IncidentError(_("Only staff of support or finance handle incidents."))
    held = held_incident(incident.pk)
    if held.is_over:
        raise IncidentError(_("This incident is resolved already."))
    return held


def _must_be_as_seen(held: Incident, seen: UUID | None) -> None:
    if held.acknowledged_by_id == seen:
        return
    if held.acknowledged_by is None:
        raise IncidentError(_("Somebody has given it back since you looked."))
    who = {"who": held.acknowledged_by}
    raise IncidentError(_("%(who)s is on it now; that has changed since you looked.") % who)


def _write(held: Incident, until: datetime | None, why: str) -> None:
    Incident.objects.filter(pk=held.pk).update(snoozed_until=until, snoozed_why=why)


def _moment(at: datetime) -> str:
    return date_format(timezone.localtime(at), "SHORT_DATETIME_FORMAT")
