"""Incidents: raised once, acknowledged, resolved with evidence or by themselves."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from loyalty_portal.data.actor import Actor
from redemption.incidents.guide import GUIDE
from redemption.incidents.services import (
    IncidentError,
    acknowledge,
    raise_incident,
    resolve,
    settle_incident,
)
from redemption.models import AlertAction, Incident
from redemption.states import IncidentKind, IncidentStatus, Severity
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db


def drift(sku: str = "MUG", what: str = "MUG: 3 too many.") -> Incident:
    return raise_incident(kind=IncidentKind.STOCK_DRIFT, key=f"stock-drift:{sku}", what=what)


@pytest.fixture
def staff(db: None) -> User:
    user: User = UserFactory.create(name="Sara Staff", is_staff=True)
    return user


def test_every_kind_has_its_severity_and_says_what_to_do() -> None:
    assert set(GUIDE) == set(IncidentKind.values)
    assert all(len(str(advice.what_to_do)) > 60 for advice in GUIDE.values())


def test_an_incident_is_raised_with_one_alert() -> None:
    incident = drift()
    assert (incident.status, incident.severity) == (IncidentStatus.OPEN, Severity.ERROR)
    assert [alert.action for alert in incident.alerts.all()] == [AlertAction.TRIGGER]
    assert [event.reason for event in incident.events.all()] == ["MUG: 3 too many."]


def test_seen_again_it_counts_and_alerts_no_second_time() -> None:
    first = drift()
    again = drift()
    assert again.pk == first.pk
    assert again.times_seen == 2
    assert again.alerts.count() == again.events.count() == 1


def test_what_is_new_about_it_is_kept_in_its_history() -> None:
    drift()
    again = drift(what="MUG: 4 too many.")
    assert again.what == "MUG: 4 too many."
    assert [event.reason for event in again.events.all()] == [
        "MUG: 3 too many.",
        "MUG: 4 too many.",
    ]


def test_what_comes_back_after_its_end_is_a_new_incident(staff: User) -> None:
    first = drift()
    resolve(incident=first, by=Actor.person(staff), evidence="Counted: 12.")
    assert drift().pk != first.pk
    assert Incident.objects.count() == 2


def test_somebody_takes_it_on_and_ends_it_with_evidence(staff: User) -> None:
    incident = drift()
    acknowledge(incident=incident, by=Actor.person(staff))
    resolve(incident=incident, by=Actor.person(staff), evidence="Counted: 12, entered.")
    incident.refresh_from_db()
    assert (incident.status, incident.acknowledged_by, incident.resolved_by) == (
        IncidentStatus.RESOLVED,
        staff,
        staff,
    )
    assert [alert.action for alert in incident.alerts.all()] == ["trigger", "resolve"]
    assert [(event.to_status, event.by) for event in incident.events.all()] == [
        ("OPEN", None),
        ("ACKNOWLEDGED", staff),
        ("RESOLVED", staff),
    ]


def test_a_second_person_is_told_who_is_on_it(staff: User) -> None:
    incident = drift()
    acknowledge(incident=incident, by=Actor.person(staff))
    with pytest.raises(IncidentError, match="Sara Staff is on it already"):
        acknowledge(incident=incident, by=Actor.person(UserFactory.create()))


@pytest.mark.parametrize("evidence", ["", "  \n"])
def test_it_does_not_end_without_evidence(staff: User, evidence: str) -> None:
    incident = drift()
    with pytest.raises(IncidentError, match="Enter the evidence"):
        resolve(incident=incident, by=Actor.person(staff), evidence=evidence)
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.OPEN


@pytest.mark.parametrize("act", [acknowledge, lambda **who: resolve(evidence="Again.", **who)])
def test_what_is_over_stays_over(staff: User, act: Callable[..., None]) -> None:
    incident = drift()
    resolve(incident=incident, by=Actor.person(staff), evidence="Counted.")
    with pytest.raises(IncidentError, match="resolved already"):
        act(incident=incident, by=Actor.person(staff))
    assert incident.alerts.count() == 2


def test_a_cause_that_went_away_resolves_it_and_its_alert() -> None:
    incident = drift()
    assert settle_incident(key="stock-drift:MUG", why="The stock adds up again.")
    assert not settle_incident(key="stock-drift:MUG", why="The stock adds up again.")
    incident.refresh_from_db()
    assert (incident.status, incident.resolved_by) == (IncidentStatus.RESOLVED, None)
    assert incident.evidence == "The stock adds up again."
    assert incident.alerts.filter(action=AlertAction.RESOLVE).exists()


@pytest.mark.django_db(transaction=True)
def test_raised_by_many_at_once_it_is_one() -> None:
    def one(_: int) -> Any:
        try:
            return drift().pk
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        made = set(pool.map(one, range(18)))
    assert len(made) == 1
    incident = Incident.objects.get()
    assert (incident.times_seen, incident.alerts.count()) == (18, 1)


def test_it_goes_with_the_transaction_that_raised_it() -> None:
    with transaction.atomic():
        drift()
        transaction.set_rollback(True)
    assert not Incident.objects.exists()


# --- Constraints of the database -----------------------------------------------------------


def broken(incident: Incident, constraint: str, **changes: Any) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Incident.objects.filter(pk=incident.pk).update(**changes)


def test_two_of_one_key_are_never_open() -> None:
    incident = drift()
    with pytest.raises(IntegrityError, match="incident_once_while_open"), transaction.atomic():
        Incident.objects.create(
            kind=incident.kind, severity=incident.severity, key=incident.key, what="Twice."
        )


def test_an_end_without_evidence_is_refused() -> None:
    name = "incident_resolved_with_evidence"
    broken(drift(), name, status=IncidentStatus.RESOLVED, resolved_at=timezone.now())
    broken(drift(), name, status=IncidentStatus.RESOLVED, evidence="Counted.")
    broken(drift(), name, resolved_at=timezone.now())


def test_nobody_cannot_be_on_it() -> None:
    broken(drift(), "incident_acknowledged_by_somebody", status=IncidentStatus.ACKNOWLEDGED)


@pytest.mark.parametrize(
    ("name", "value"), [("kind", "BAD_LUCK"), ("status", "LOST"), ("severity", 9)]
)
def test_words_that_nobody_knows_are_refused(name: str, value: Any) -> None:
    broken(drift(), f"incident_{name}_known", **{name: value})


def test_its_history_cannot_be_changed() -> None:
    event = drift().events.get()
    event.reason = "Nothing happened."
    with pytest.raises(DatabaseError, match="Cannot update rows"), transaction.atomic():
        event.save()
    with pytest.raises(DatabaseError, match="Cannot delete rows"), transaction.atomic():
        event.delete()


def test_one_incident_has_one_alert_of_a_kind() -> None:
    incident = drift()
    with pytest.raises(IntegrityError, match="one_alert_of_a_kind"), transaction.atomic():
        incident.alerts.create(action=AlertAction.TRIGGER)
