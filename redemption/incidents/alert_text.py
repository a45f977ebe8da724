"""The text of an alert: about one incident, or about all differences of a reconciliation."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from django.conf import settings
from django.db.models import Count
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty_portal.data.texts.numbers import grouped
from redemption.incidents.guide import GUIDE
from redemption.models import Alert, Incident, Reconciliation
from redemption.states import DifferenceKind, IncidentKind, Severity


@dataclass(frozen=True, slots=True)
class AlertText:
    """The text of an alert. `key` is the same at the start and the end of an incident; `address` is
    the page for staff.
    """

    key: uuid.UUID
    kind: IncidentKind
    severity: Severity
    what: str
    since: datetime
    order_number: str
    address: str


def alert_text_of(alert: Alert) -> AlertText:
    """The text of this alert, whose incident and order, or run, are loaded. It holds no personal
    data.
    """
    if alert.run:
        return _of_all(alert.run)
    incident = cast("Incident", alert.incident)
    number = incident.cases.count()
    return AlertText(
        key=incident.pk,
        kind=IncidentKind(incident.kind),
        severity=Severity(incident.severity),
        what=_many(number) % {"what": incident.what, "n": number} if number > 1 else incident.what,
        since=incident.created_at,
        order_number=incident.order.order_number if incident.order else "",
        address=_page("incident", incident.pk),
    )


def _many(number: int) -> str:
    return ngettext("%(n)s case, the last: %(what)s", "%(n)s cases, the last: %(what)s", number)


def _of_all(run: Reconciliation) -> AlertText:
    kind = IncidentKind.RECONCILIATION
    return AlertText(
        key=run.pk,
        kind=kind,
        severity=GUIDE[kind].severity,
        what=_sum(run),
        since=run.started_at,
        order_number="",
        address=_page("reconciliation", run.pk),
    )


def _sum(run: Reconciliation) -> str:
    """How many differences of each kind; a single difference is described in full."""
    found = run.differences.filter(incident__run=run).order_by()
    counts = dict(found.values_list("kind").annotate(Count("pk")))
    number = sum(counts.values())
    if number == 1:
        return found.get().what
    classes = ", ".join(
        f"{DifferenceKind(kind).label} {grouped(count)}"
        for kind, count in sorted(counts.items(), key=lambda each: -each[1])
    )
    told = _("%(number)s differences to the partner's statement: %(classes)s.")
    return told % {"number": grouped(number), "classes": classes}


def _page(model: str, key: uuid.UUID) -> str:
    return f"{settings.PORTAL_URL}{reverse(f'admin:redemption_{model}_change', args=[key])}"
