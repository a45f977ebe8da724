"""A partner that is down has one open incident, until an answer from it is recorded."""

import pytest
from django.core.cache import cache

from accounts.services import refresh_balance
from fulfillment import partner as fulfillment
from fulfillment.models import PartnerCall
from fulfillment.virtual import saga as virtual
from loyalty_portal.partners import breaker
from loyalty_portal.partners.answers import Answer, Outcome
from loyalty_portal.partners.breaker import FAILURES
from redemption.incidents.partners import watch_partners
from redemption.models import Alert, AlertAction, Incident, LoyaltyTransaction
from redemption.saga.transactions import settle_transaction
from redemption.states import IncidentKind, IncidentStatus, TransactionStatus
from tests.redemption.saga.test_virtual_news import accepted, asked, debited, request_of
from tests.redemption.world import World, make_all_due

pytestmark = pytest.mark.django_db(transaction=True)


def take_down(partner: str) -> None:
    for _call in range(FAILURES):
        breaker.hear(partner, "POST", Answer(Outcome.UNKNOWN, code="connection"))


def test_a_partner_that_is_down_is_one_incident_with_one_alert(world: World) -> None:
    assert watch_partners() == 0
    take_down("loyalty")
    assert [watch_partners() for _look in range(3)] == [1, 1, 1]
    incident = Incident.objects.get()
    assert (incident.kind, incident.key) == (IncidentKind.PARTNER_DOWN, "partner-down:loyalty")
    assert incident.what == "The loyalty partner does not answer."
    assert incident.times_seen == 3
    assert Alert.objects.get().action == AlertAction.TRIGGER


def test_it_is_over_when_an_answer_is_written_down_not_when_the_breaker_lets_somebody_try(
    world: World,
) -> None:
    order = world.place((world.virtual(), 1))
    take_down("loyalty")
    watch_partners()
    cache.clear()  # as after its time, or when Redis has lost it
    assert watch_partners() == 0
    assert Incident.objects.get().status == IncidentStatus.OPEN
    settle_transaction(world.debit(order).pk)
    watch_partners()
    incident = Incident.objects.get()
    assert (incident.status, incident.evidence) == (
        IncidentStatus.RESOLVED,
        "The partner answers again.",
    )


def test_a_balance_is_answer_enough_unless_a_debit_waits(world: World) -> None:
    order = world.place((world.virtual(), 1))
    world.partners.fault("debit", "error_500_before", times=None)
    settle_transaction(world.debit(order).pk)
    take_down("loyalty")
    watch_partners()
    cache.clear()
    refresh_balance(company=world.company)
    watch_partners()
    assert Incident.objects.get().status == IncidentStatus.OPEN
    LoyaltyTransaction.objects.update(status=TransactionStatus.INTENDED)
    watch_partners()
    assert Incident.objects.get().status == IncidentStatus.RESOLVED


def test_each_partner_has_its_own(world: World) -> None:
    order = world.place((world.virtual(), 1))
    settle_transaction(world.debit(order).pk)
    world.partners.fault("fulfill", "error_500_before", times=None)
    call = PartnerCall.objects.get()
    for _try in range(FAILURES):
        virtual.ask(call.pk)
        make_all_due()
    assert watch_partners() == 1
    incident = Incident.objects.get()
    assert incident.facts == {"partner": fulfillment.PARTNER}
    world.partners.clear_faults()
    virtual.ask(call.pk)
    assert watch_partners() == 0
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED


def was_down(partner: str) -> Incident:
    """An incident about a partner whose breaker is closed again, so that calls are tried."""
    take_down(partner)
    watch_partners()
    cache.clear()
    assert watch_partners() == 0
    incident = Incident.objects.get()
    assert incident.status == IncidentStatus.OPEN
    return incident


def test_an_answered_poll_is_answer_enough(world: World) -> None:
    """Nobody orders a card for hours, so only the polls of an open delivery get answers."""
    order = accepted(world)
    incident = was_down(fulfillment.PARTNER)
    asked(world, order)
    watch_partners()
    incident.refresh_from_db()
    assert (incident.status, incident.evidence) == (
        IncidentStatus.RESOLVED,
        "The partner answers again.",
    )


@pytest.mark.parametrize("fault", ["error_500_before", "mismatch"])
def test_a_poll_without_a_clear_answer_ends_nothing(world: World, fault: str) -> None:
    order = accepted(world)
    incident = was_down(fulfillment.PARTNER)
    world.partners.fault("get_fulfillment", fault, times=None)
    asked(world, order)
    watch_partners()
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.OPEN


def test_a_poll_is_not_answer_enough_while_a_request_waits(world: World) -> None:
    order, other = accepted(world), debited(world)
    world.partners.fault("fulfill", "error_500_before", times=None)
    virtual.ask(request_of(other).pk)
    incident = was_down(fulfillment.PARTNER)
    asked(world, order)
    watch_partners()
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.OPEN
    world.partners.clear_faults()
    make_all_due()
    virtual.ask(request_of(other).pk)
    watch_partners()
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED
