"""One cause that affects many things is one incident, with many cases and one alert."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from loyalty_portal.data.actor import Actor
from redemption.incidents.cause import WINDOW
from redemption.incidents.notifications import send_alert
from redemption.incidents.services import IncidentError, settle_incident
from redemption.models import Alert, AlertAction, Incident, IncidentCase, RedemptionOrder
from redemption.orders.actions.incidents import resolve
from redemption.saga.steps import flag, locked
from redemption.states import IncidentKind, IncidentStatus, TransactionStatus
from tests.accounts.factories import UserFactory
from tests.catalog.factories import ProductFactory
from tests.loyalty_portal.partners.raw_partner import RawPartner
from tests.redemption.incidents.test_alerts import ACCEPTED, send_all, told
from tests.redemption.saga.test_races import while_somebody
from tests.support.orders.order_kinds import placed_order
from tests.support.staff import browser, staff
from tests.support.visitor import forms_of

pytestmark = pytest.mark.django_db(transaction=True)
WHY = "The partner's answer does not match what we asked."


def odd(order: RedemptionOrder) -> Incident:
    """Raise an incident because the answer about this order's debit does not match."""
    with transaction.atomic():
        held = locked(order.pk)
        flag(held, WHY, kind=IncidentKind.MISMATCH, about=held.transactions.get())
    return IncidentCase.objects.unended().get(order=order).incident


def put_right(order: RedemptionOrder) -> None:
    settle_incident(key=f"mismatch:{order.transactions.get().pk}", why="It fits now.")


def orders(number: int) -> list[RedemptionOrder]:
    return [placed_order((ProductFactory.create(), 1)) for _each in range(number)]


def later() -> None:
    """Make the incidents older than the window."""
    Incident.objects.update(seen_at=timezone.now() - WINDOW)


def due() -> list[str]:
    """The alerts that may be sent now."""
    return list(Alert.objects.due().values_list("action", flat=True))


def test_many_of_one_cause_are_one_incident_that_names_each() -> None:
    befallen = orders(3)
    [incident] = {odd(order) for order in befallen}
    incident.refresh_from_db()
    assert (incident.key, incident.times_seen) == ("mismatch:loyalty", 3)
    assert incident.order == befallen[-1]
    assert {case.order for case in incident.cases.all()} == set(befallen)
    assert {case.transaction for case in incident.cases.all()} == {
        order.transactions.get() for order in befallen
    }
    assert [alert.action for alert in Alert.objects.all()] == [AlertAction.TRIGGER]


def test_another_cause_or_another_partner_is_another_incident() -> None:
    [order] = orders(1)
    odd(order)
    with transaction.atomic():
        line = order.items.get()
        flag(locked(order.pk), WHY, kind=IncidentKind.MISMATCH, about=line, line=str(line.pk))
        flag(locked(order.pk), "Late.", kind=IncidentKind.CREDIT_LATE, about=None)
    assert {incident.key for incident in Incident.objects.all()} == {
        "mismatch:loyalty",
        "mismatch:fulfillment",
        "credit_late:fulfillment",
    }


def test_it_is_over_with_its_last_case_and_each_order_with_its_own() -> None:
    first, second = orders(2)
    odd(first)
    incident = odd(second)
    put_right(first)
    incident.refresh_from_db()
    first.refresh_from_db()
    second.refresh_from_db()
    assert (incident.status, first.needs_attention, second.needs_attention) == (
        IncidentStatus.OPEN,
        False,
        True,
    )
    put_right(second)
    incident.refresh_from_db()
    assert (incident.status, incident.resolved_by) == (IncidentStatus.RESOLVED, None)
    assert incident.evidence == "The last of 2 cases is over: It fits now."
    assert {case.why for case in incident.cases.all()} == {"It fits now."}


def test_what_comes_back_soon_is_the_same_incident_and_alerts_no_second_time() -> None:
    first, second = orders(2)
    incident = odd(first)
    put_right(first)
    assert odd(second) == incident
    incident.refresh_from_db()
    assert (incident.status, incident.evidence) == (IncidentStatus.OPEN, "")
    assert [event.to_status for event in incident.events.all()] == ["OPEN", "RESOLVED", "OPEN"]
    assert Alert.objects.get().action == AlertAction.TRIGGER


def test_what_comes_back_late_is_a_new_one() -> None:
    first, second = orders(2)
    incident = odd(first)
    put_right(first)
    later()
    assert odd(second) != incident
    assert Alert.objects.filter(action=AlertAction.TRIGGER).count() == 2


def test_what_was_open_for_long_does_not_swallow_what_comes_now() -> None:
    first, second = orders(2)
    incident = odd(first)
    later()
    assert odd(second) != incident
    assert Incident.objects.unresolved().count() == 2
    assert odd(first) == incident  # its own case counts on there
    put_right(first)
    put_right(second)
    assert not Incident.objects.unresolved().exists()


def test_what_a_person_has_ended_and_comes_back_is_a_new_one() -> None:
    first, second = orders(2)
    incident = odd(first)
    resolve(incident=incident, by=Actor.person(UserFactory.create()), evidence="Their ticket 5.")
    assert odd(second) != incident


@pytest.mark.usefixtures("by_mail")
def test_a_storm_is_one_letter_and_its_end_another() -> None:
    for order in orders(5):
        odd(order)
        put_right(order)
        assert due() in (["trigger"], [])
        for alert in Alert.objects.due():
            send_alert(alert.pk)
    assert [letter.subject.startswith("[Critical]") for letter in mail.outbox] == [True]
    assert due() == []
    send_all()
    assert len(mail.outbox) == 2
    assert mail.outbox[1].subject.startswith("Resolved: 5 cases, the last: ")


@pytest.mark.usefixtures("by_pagerduty")
def test_pagerduty_hears_of_a_storm_under_one_key(settings: Any) -> None:
    with RawPartner(ACCEPTED) as pagerduty:
        settings.PAGERDUTY_URL = pagerduty.url
        befallen = orders(4)
        for order in befallen:
            incident = odd(order)
        send_all()
        for order in befallen:
            put_right(order)
        send_all()
    begun, ended = told(pagerduty)
    assert (begun["event_action"], ended["event_action"]) == ("trigger", "resolve")
    assert begun["dedup_key"] == ended["dedup_key"] == str(incident.pk)
    assert begun["payload"]["summary"].startswith("4 cases, the last: ")


# --- Two at once ---------------------------------------------------------------------------


def test_two_that_find_the_same_cause_at_once_make_one_incident() -> None:
    first, second = orders(2)
    with while_somebody(lambda: odd(first)):
        odd(second)
    assert Incident.objects.get().cases.count() == 2
    assert Alert.objects.count() == 1


def test_two_that_find_it_again_at_once_make_one_incident() -> None:
    first, second, third = orders(3)
    odd(first)
    put_right(first)
    with while_somebody(lambda: odd(second)):
        odd(third)
    assert Incident.objects.get().cases.count() == 3


def test_two_that_find_it_after_the_window_at_once_make_one_new_incident() -> None:
    first, second, third = orders(3)
    odd(first)
    later()
    with while_somebody(lambda: odd(second)):
        odd(third)
    old, new = Incident.objects.order_by("created_at")
    assert (old.cases.count(), new.cases.count()) == (1, 2)


@contextmanager
def without_the_constraint() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'incident_once_while_open'"
        )
        [made] = cursor.fetchone()
        cursor.execute("DROP INDEX incident_once_while_open")
    try:
        yield
    finally:
        for incident in Incident.objects.unresolved():
            resolve(
                incident=incident, by=Actor.person(UserFactory.create()), evidence="Only a test."
            )
        with connection.cursor() as cursor:
            cursor.execute(made)


def test_without_the_constraint_two_at_once_would_make_two_incidents() -> None:
    first, second = orders(2)

    def elsewhere() -> None:
        try:
            odd(second)
        finally:
            connection.close()

    with without_the_constraint():
        with transaction.atomic(), ThreadPoolExecutor(1) as pool:
            odd(first)
            pool.submit(elsewhere).result()
        assert Incident.objects.unresolved().count() == 2


def test_a_case_that_ends_while_another_begins_leaves_the_incident_open() -> None:
    first, second = orders(2)
    odd(first)
    with while_somebody(lambda: odd(second)):
        put_right(first)
    assert Incident.objects.get().status == IncidentStatus.OPEN


def test_the_database_holds_one_open_case_for_each_subject_and_no_end_without_a_reason() -> None:
    [order] = orders(1)
    odd(order)
    case = IncidentCase.objects.get()
    with pytest.raises(IntegrityError, match="case_once_while_open"), transaction.atomic():
        IncidentCase.objects.create(incident=case.incident, key=case.key, what="Twice.")
    with pytest.raises(IntegrityError, match="case_ends_with_a_reason"), transaction.atomic():
        IncidentCase.objects.update(ended_at=timezone.now())


# --- What staff see ------------------------------------------------------------------------


def address(incident: Incident, more: str = "change/") -> str:
    return f"/admin/redemption/incident/{incident.pk}/{more}"


@pytest.fixture
def clerk() -> User:
    return staff("support")


def test_the_incidents_page_leads_to_every_case_ten_at_a_time(clerk: User) -> None:
    befallen = orders(12)
    for order in befallen:
        incident = odd(order)
    client = browser(clerk)
    first = client.get(address(incident)).content.decode()
    rest = client.get(address(incident), {"page": "2"}).content.decode()
    assert "12 cases, 12 of them open" in first
    shown = [
        [order for order in befallen if f"/redemptionorder/{order.pk}/" in page]
        for page in (first, rest)
    ]
    assert (len(shown[0]), shown[1]) == (10, befallen[:2])
    found = client.get("/admin/redemption/incident/", {"q": befallen[0].order_number})
    assert list(found.context["cl"].result_list) == [incident]


def test_what_is_over_is_found_from_the_order_and_from_the_incident(clerk: User) -> None:
    first, second = orders(2)
    odd(first)
    incident = odd(second)
    put_right(first)
    client = browser(clerk)
    page = client.get(f"/admin/redemption/redemptionorder/{first.pk}/change/").content.decode()
    assert address(incident) in page
    assert "It fits now." in page
    page = client.get(address(incident)).content.decode()
    assert "2 cases, 1 of them open" in page
    assert first.order_number in page
    assert "It fits now." in page


def test_a_person_ends_all_its_cases_at_once_and_their_orders_marks_go(clerk: User) -> None:
    befallen = orders(2)
    for order in befallen:
        incident = odd(order)
    browser(clerk).post(address(incident, "do/resolve/"), {"evidence": "Their ticket 5."})
    assert {case.why for case in IncidentCase.objects.all()} == {"Their ticket 5."}
    assert not RedemptionOrder.objects.filter(needs_attention=True).exists()


def test_a_person_ends_only_as_many_cases_as_they_saw(clerk: User) -> None:
    first, second = orders(2)
    incident, client = odd(first), browser(clerk)
    [seen] = [
        form.fields
        for form in forms_of(client.get(address(incident)).content.decode())
        if form.action.endswith("/resolve/")
    ]
    odd(second)
    typed = seen | {"evidence": "Their ticket 5."}
    answer = client.post(address(incident, "do/resolve/"), typed)
    assert "There are more cases of it by now." in answer.content.decode()
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.OPEN
    [form] = [
        form for form in forms_of(answer.content.decode()) if form.action.endswith("/resolve/")
    ]
    client.post(form.action, form.fields | {"evidence": "Their ticket 5."})
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.RESOLVED


def test_what_two_people_must_decide_cannot_be_waved_through(clerk: User) -> None:
    [order] = orders(1)
    debit = order.transactions.get()
    for status in (TransactionStatus.SENT, TransactionStatus.UNKNOWN, "NEEDS_REVIEW"):
        debit.transition(status)
    with transaction.atomic():
        flag(locked(order.pk), "Nobody knows.", kind=IncidentKind.HORIZON, about=debit)
    incident = Incident.objects.get()
    with pytest.raises(IncidentError, match="1 case waits for two people"):
        resolve(incident=incident, by=Actor.person(clerk), evidence="It will be fine.")
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.OPEN
