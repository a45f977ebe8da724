"""Actions of staff on incidents that change more than the incident itself."""

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.kept import kept
from redemption.incidents import services
from redemption.incidents.causes import undecided
from redemption.incidents.services import IncidentError
from redemption.models import Incident
from redemption.saga.queues import rows_of
from redemption.states import IncidentKind


@transaction.atomic
def resolve(*, incident: Incident, by: Actor, evidence: str, cases: int | None = None) -> None:
    """End the incident with all its cases; an order is no longer flagged after its last case.

    `cases`: how many open cases the person saw. Raises IncidentError without evidence, when there
    are more cases by now, when it is over already, or while two people must decide first.
    """
    if why := waits_for_two(incident):
        raise IncidentError(why)
    services.resolve(incident=incident, by=by, evidence=evidence, cases=cases)


def waits_for_two(incident: Incident) -> str:
    """Why one person cannot end it, in a sentence; "" when nothing waits for two people."""
    waiting = undecided(incident.cases.unended()).count()
    if not waiting:
        return ""
    told = ngettext(
        "%(n)s case waits for two people to decide. It ends with their decision.",
        "%(n)s cases wait for two people to decide. They end with their decisions.",
        waiting,
    )
    return told % {"n": waiting}


@transaction.atomic
def try_again(*, incident: Incident, by: Actor) -> None:
    """Put the rows that were put aside back to work; the incident ends once they worked.

    Raises IncidentError when the incident is not about such rows, or they are back at work already.
    """
    if incident.kind != IncidentKind.POISON_ROW:
        raise IncidentError(_("Nothing was put aside here."))
    if not sum([rows_of(case).try_once_more() for case in incident.cases.unended()]):
        raise IncidentError(_("This is being worked on already."))
    services.remark(incident=incident, by=by, text=kept(lambda: _("Asked to try it again.")))
