"""What staff do about incidents, where it reaches further than the incident itself."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from redemption.aftercare.services import unflag
from redemption.incidents import services
from redemption.incidents.services import IncidentError
from redemption.models import Incident
from redemption.services import locked
from redemption.states import IncidentKind
from redemption.work import rows_of


@transaction.atomic
def resolve(*, incident: Incident, by: Any, evidence: str) -> None:
    """It is over; when it was the order's last, the order needs nobody any more.

    Raises IncidentError without evidence, or when it is over already.
    """
    order = locked(incident.order_id) if incident.order_id else None
    services.resolve(incident=incident, by=by, evidence=evidence)
    if order and not order.incidents.unresolved().exists():
        unflag(order=order, by=by)


@transaction.atomic
def try_again(*, incident: Incident, by: Any) -> None:
    """Put the work that was put aside back to work; the incident ends once it worked.

    Raises IncidentError when it is about no such work, or that is at work already.
    """
    if incident.kind != IncidentKind.POISON_ROW:
        raise IncidentError(_("Nothing was put aside here."))
    if not rows_of(incident).try_once_more():
        raise IncidentError(_("This is at work already."))
    services.remark(incident=incident, by=by, text=_("Asked to try it again."))
