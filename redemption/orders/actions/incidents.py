"""What staff do about incidents, where it reaches further than the incident itself."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from redemption.incidents import services
from redemption.incidents.causes import undecided
from redemption.incidents.services import IncidentError
from redemption.models import Incident
from redemption.saga.queues import rows_of
from redemption.states import IncidentKind


@transaction.atomic
def resolve(*, incident: Incident, by: Any, evidence: str, cases: int | None = None) -> None:
    """It is over with all its cases; an order with its last case needs nobody any more.

    `cases`: how many open ones somebody saw, who did not agree to more. Raises IncidentError
    without evidence, when it is over already, or while it waits for two people to decide.
    """
    waiting = undecided(incident.cases.unended()).count()
    if waiting:
        told = ngettext(
            "%(n)s case waits for two people to decide. It ends with their decision.",
            "%(n)s cases wait for two people to decide. They end with their decisions.",
            waiting,
        )
        raise IncidentError(told % {"n": waiting})
    services.resolve(incident=incident, by=by, evidence=evidence, cases=cases)


@transaction.atomic
def try_again(*, incident: Incident, by: Any) -> None:
    """Put the work that was put aside back to work; the incident ends once it worked.

    Raises IncidentError when it is about no such work, or that is at work already.
    """
    if incident.kind != IncidentKind.POISON_ROW:
        raise IncidentError(_("Nothing was put aside here."))
    if not sum([rows_of(case).try_once_more() for case in incident.cases.unended()]):
        raise IncidentError(_("This is at work already."))
    services.remark(incident=incident, by=by, text=_("Asked to try it again."))
