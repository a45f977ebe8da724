"""All incidents of one reconciliation share an alert, which ends with the last of them."""

from typing import Any

import pgtrigger
import pytest
from django.core import mail
from django.db import IntegrityError, transaction
from django.utils import timezone

from loyalty_portal.data.actor import Actor
from redemption.incidents.causes import settle_gone
from redemption.incidents.notifications import SUMMED_UP
from redemption.incidents.services import resolve
from redemption.models import Alert, AlertAction, Incident, Reconciliation, RunOutcome
from redemption.points.reconciliation.services import reconcile
from tests.accounts.factories import UserFactory
from tests.loyalty_portal.partners.raw_partner import RawPartner
from tests.redemption.incidents.test_alerts import (
    ACCEPTED,
    drift,
    send_all,
    told,
)
from tests.redemption.points.reconciliation.test_reconciliation import (
    aged,
    at_partner,
    copied,
    settled,
)
from tests.redemption.world import World
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db(transaction=True)


def lost(world: World, orders: int = 4) -> Reconciliation:
    """A reconciliation that finds this many unknown entries, and one different amount."""
    order = settled(world)
    aged(world)
    for number in range(orders):
        copied(
            world,
            order,
            transaction_id=f"txn_lost_{number}",
            idempotency_key=f"lost:{number}",
            reference=f"R-LOST-{number}",
        )
    at_partner(world, "UPDATE entry SET points = 999 WHERE transaction_id NOT LIKE 'txn_lost%'")
    return reconcile(company=world.company)


def end(incident: Incident) -> None:
    resolve(incident=incident, by=Actor.person(UserFactory.create()), evidence="Ticket 5.")


@pytest.mark.usefixtures("by_mail")
def test_many_differences_are_many_incidents_and_one_letter(world: World) -> None:
    run = lost(world)
    assert Incident.objects.count() == 5
    alert = Alert.objects.get()
    assert (alert.run, alert.incident, alert.action) == (run, None, AlertAction.TRIGGER)
    send_all()
    [letter] = mail.outbox
    assert letter.subject == (
        "[Critical] 5 differences to the partner's statement: Missing here 4, Other points 1."
    )
    assert f"https://portal.example/admin/redemption/reconciliation/{run.pk}/" in letter.body
    assert "compare the two entries" in letter.body
    assert world.company.name not in letter.body


@pytest.mark.usefixtures("by_mail")
def test_the_alert_ends_with_the_last_of_them_and_once(world: World) -> None:
    lost(world)
    send_all()
    for incident in Incident.objects.all():
        settle_gone()
        assert Alert.objects.count() == 1
        end(incident)
    for _time in range(2):
        settle_gone()
    send_all()
    begun, ended = mail.outbox
    assert ended.subject.startswith("Resolved: 5 differences")
    assert ended.extra_headers["In-Reply-To"] == begun.extra_headers["Message-ID"]
    assert Alert.objects.count() == 2


@pytest.mark.usefixtures("by_pagerduty")
def test_pagerduty_hears_of_them_under_one_key(world: World, settings: Any) -> None:
    run = lost(world)
    with RawPartner(ACCEPTED) as pagerduty:
        settings.PAGERDUTY_URL = pagerduty.url
        send_all()
        for incident in Incident.objects.all():
            end(incident)
        settle_gone()
        send_all()
    begun, ended = told(pagerduty)
    assert begun["dedup_key"] == ended["dedup_key"] == str(run.pk)
    assert (begun["event_action"], ended["event_action"]) == ("trigger", "resolve")
    assert (begun["payload"]["class"], begun["payload"]["severity"]) == (
        "RECONCILIATION",
        "critical",
    )
    assert begun["payload"]["custom_details"] == {}


@pytest.mark.usefixtures("by_mail")
def test_a_single_difference_says_by_itself_what_it_is(world: World) -> None:
    settled(world)
    aged(world)
    at_partner(world, "UPDATE entry SET points = 999")
    reconcile(company=world.company)
    send_all()
    assert mail.outbox[0].subject == f"[Critical] {Incident.objects.get().what}"


@pytest.mark.usefixtures("by_mail")
def test_a_later_run_alerts_only_about_what_is_new(world: World) -> None:
    first = lost(world)
    reconcile(company=world.company)
    assert Alert.objects.count() == 1
    order = first.differences.exclude(order=None).get().order
    assert order
    copied(
        world,
        order,
        transaction_id="txn_new",
        idempotency_key="new:1",
        reference="R-NEW",
    )
    second = reconcile(company=world.company)
    assert second.difference_count == 6
    send_all()
    assert len(mail.outbox) == 2
    assert "5 differences" in mail.outbox[0].subject
    assert "R-NEW" in mail.outbox[1].subject
    end(Incident.objects.get(run=second))
    settle_gone()
    assert Alert.objects.get(action=AlertAction.RESOLVE).run == second


@pytest.mark.usefixtures("by_mail")
def test_a_comparison_at_work_is_waited_for_but_not_for_ever(world: World) -> None:
    run = lost(world)
    with pgtrigger.ignore():
        Reconciliation.objects.update(outcome=RunOutcome.RUNNING, finished_at=None)
    send_all()
    for incident in Incident.objects.all():
        end(incident)
    settle_gone()
    assert not mail.outbox
    assert Alert.objects.get().next_attempt_at is not None
    Alert.objects.update(created_at=timezone.now() - SUMMED_UP)
    send_all()
    assert len(mail.outbox) == 1
    Reconciliation.objects.filter(pk=run.pk).update(
        outcome=RunOutcome.FAILED, finished_at=timezone.now()
    )
    settle_gone()
    assert Alert.objects.filter(action=AlertAction.RESOLVE, run=run).exists()


def test_what_a_statement_mends_ends_the_alert_too(world: World) -> None:
    settled(world)
    aged(world)
    at_partner(world, "UPDATE entry SET points = 999")
    reconcile(company=world.company)
    at_partner(world, "UPDATE entry SET points = 1000")
    reconcile(company=world.company)
    settle_gone()
    assert Alert.objects.filter(action=AlertAction.RESOLVE).count() == 1


def test_the_incidents_page_shows_the_alert_that_it_shares(world: World) -> None:
    run = lost(world)
    page_of = f"/admin/redemption/incident/{Incident.objects.all()[0].pk}/change/"
    page = browser(staff("finance")).get(page_of).content.decode()
    assert "One for all that the comparison found" in page
    assert f"/admin/redemption/reconciliation/{run.pk}/change/" in page
    page = browser(staff("support")).get(page_of).content.decode()
    assert f"/admin/redemption/reconciliation/{run.pk}/change/" not in page


def test_an_alert_is_about_one_thing(world: World) -> None:
    run = lost(world)
    with pytest.raises(IntegrityError, match="alert_about_one_thing"), transaction.atomic():
        Alert.objects.create(incident=drift(), run=run, action=AlertAction.RESOLVE)
    with pytest.raises(IntegrityError, match="one_alert_a_run"), transaction.atomic():
        Alert.objects.create(run=run, action=AlertAction.TRIGGER)
