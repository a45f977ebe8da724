"""An incident whose cases wait for two people is not ended by one."""

import pytest
from django.urls import reverse

from accounts.models import User
from fulfillment.models import Fulfillment
from fulfillment.states import FulfillmentStatus
from loyalty_portal.data.actor import Actor
from redemption.incidents.causes import settle_gone
from redemption.incidents.services import IncidentError
from redemption.models import Decision, Incident, OrderItem
from redemption.orders.actions import incidents
from redemption.states import DecisionStatus, IncidentKind, IncidentStatus, LineStatus, Verdict
from tests.redemption.backoffice import test_admin_deliveries as deliveries
from tests.redemption.backoffice.test_admin_deliveries import PROPOSAL
from tests.redemption.backoffice.test_admin_incidents import shown
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
TOLD = "1 case waits for two people to decide. It ends with their decision."


def refused(incident: Incident, clerk: User) -> bool:
    """Whether the page offers no way to end it and says why, and the service refuses it too."""
    page = browser(clerk).get(address(incident)).content.decode()
    assert (TOLD in page) is ("/do/resolve/" not in page)
    try:
        incidents.resolve(incident=incident, by=Actor.person(clerk), evidence="It will be fine.")
    except IncidentError as error:
        return str(error) == TOLD and TOLD in page
    return False


def address(incident: Incident) -> str:
    return reverse("admin:redemption_incident_change", args=[incident.pk])


def ended(item: OrderItem) -> None:
    """Let the line end as delivered, and the news come only then."""
    Fulfillment.objects.update(status=FulfillmentStatus.DELIVERED, quantity_delivered=1)
    OrderItem.objects.update(fulfillment_status=LineStatus.DELIVERED, quantity_delivered=1)
    item.order.incident_cases.update(facts={"line": str(item.pk), "line was": "DELIVERED"})


@pytest.mark.parametrize(
    "kind", [IncidentKind.CONTRADICTION, IncidentKind.HORIZON, IncidentKind.MISMATCH]
)
def test_news_of_an_open_line_ends_with_the_decision_of_two_people_only(
    kind: IncidentKind,
) -> None:
    item, fay, gil = deliveries.undecided(kind), staff("finance"), staff("finance")
    incident = Incident.objects.get()
    assert refused(incident, fay)
    browser(fay).post(deliveries.address(item, "propose"), PROPOSAL)
    assert refused(incident, gil)
    assert settle_gone() == 0
    browser(gil).post(deliveries.address(item, "confirm"), shown())
    settle_gone()
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED


def test_news_after_the_end_is_ended_by_one_person_while_no_remedy_is_proposed() -> None:
    item, fay, gil = (
        deliveries.undecided(IncidentKind.CONTRADICTION),
        staff("finance"),
        staff("finance"),
    )
    ended(item)
    incident = Incident.objects.get()
    remedy = Decision.objects.create(
        item=item,
        verdict=Verdict.CODES,
        units=1,
        found={"units": 1},
        evidence="Ticket 5.",
        proposed_by=fay,
    )
    assert refused(incident, gil)
    Decision.objects.filter(pk=remedy.pk).update(
        status=DecisionStatus.REJECTED, decided_by=gil, remark="No.", decided_at=incident.seen_at
    )
    assert not refused(incident, gil)
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED
