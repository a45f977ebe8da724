"""Incidents as a list of work, and points that are unclear or due: filters, pages, several at once."""

import threading
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from loyalty_portal.data.actor import Actor
from redemption.backoffice.work import selectors
from redemption.incidents import worklist
from redemption.incidents.services import IncidentError, raise_incident, resolve
from redemption.models import Incident, LoyaltyTransaction
from redemption.states import IncidentKind, IncidentStatus, TransactionStatus
from tests.catalog.factories import ProductFactory
from tests.redemption.pages import said
from tests.support.orders.order_kinds import placed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
WORK = "/admin/redemption/incident/work/"
UNCLEAR = "/admin/redemption/loyaltytransaction/unclear/"


def incident(
    name: str = "A", kind: IncidentKind = IncidentKind.STUCK_ORDER, **facts: str
) -> Incident:
    """An incident with a cause of its own."""
    return raise_incident(
        kind=kind, key=f"{kind}:{name}", what=f"{name} is odd.", facts={"status": name, **facts}
    )


def rows(client: Any, **query: str) -> list[Incident]:
    return [row[0] for row in client.get(WORK, query).context["rows"]]


def post(client: Any, do: str, *those: Incident, seen: User | None = None, **more: Any) -> Any:
    """Tick these incidents as the page showed them and press a button."""
    shown = {f"seen-{each.pk}": str(seen.pk) if seen else "" for each in those}
    data = {"do": do, "incident": [str(each.pk) for each in those], **shown, **more}
    return client.post(WORK, data, follow=True)


def in_an_hour() -> datetime:
    return timezone.now() + timedelta(hours=1)


def history(of: Incident) -> list[str]:
    return [event.reason for event in of.events.order_by("at", "id")]


# --- The list and its filters --------------------------------------------------------------------


def test_the_list_has_the_oldest_first_and_its_filters_narrow_it() -> None:
    clerk, other = staff("support"), staff("finance")
    old, new = incident("old"), incident("new", IncidentKind.PARTNER_DOWN, partner="loyalty")
    over, later = incident("over"), incident("later", IncidentKind.CONTRADICTION, line=str(uuid4()))
    resolve(incident=over, by=Actor.person(clerk), evidence="Over.")
    worklist.assign(incident=new, to=clerk, seen=None, by=Actor.person(other))
    worklist.snooze(
        incident=later, until=in_an_hour(), why="They call back.", by=Actor.person(clerk)
    )
    client = browser(clerk)
    assert rows(client) == [old, new]
    for query, found in (
        ({"who": "mine"}, [new]), ({"who": "nobody"}, [old]), ({"when": "snoozed"}, [later]),
        ({"kind": "PARTNER_DOWN"}, [new]), ({"partner": "loyalty"}, [new]),
        ({"partner": "fulfillment", "when": "snoozed"}, [later]), ({"partner": "none"}, [old]),
        ({"partner": "nonsense", "kind": "x\0", "after": "x~y"}, [old, new]),
    ):  # fmt: skip
        assert rows(client, **query) == found, query
    page = said(client.get(WORK, {"when": "snoozed"}))
    assert "They call back." in page
    assert f"{clerk} is on it" in said(client.get(WORK))


def test_the_pages_of_the_list_show_each_incident_once(monkeypatch: Any) -> None:
    # replaced: fifty rows would be slow to make
    monkeypatch.setattr(selectors, "PAGE_SIZE", 2)
    those = [incident(str(number)) for number in range(5)]
    Incident.objects.update(created_at=those[0].created_at)  # the same moment: their keys decide
    client, seen, query = browser(staff("support")), [], ""
    while True:
        page = client.get(f"{WORK}?{query}")
        seen += [row[0] for row in page.context["rows"]]
        query = page.context["page"].following
        if not query:
            break
    assert seen == those


def test_the_list_takes_few_queries_for_any_number_of_incidents() -> None:
    client, taken = browser(staff("support")), []
    client.get(WORK)
    for number in (1, 20):
        for each in range(number):
            incident(f"{number}/{each}")
        with CaptureQueriesContext(connection) as queries:
            client.get(WORK)
        taken.append(len(queries))
    assert taken[0] == taken[1] <= 12


# --- Assign, give back ---------------------------------------------------------------------------


def test_several_are_taken_on_assigned_and_given_back_and_each_history_says_so() -> None:
    clerk, other = staff("support"), staff("finance")
    those, client = [incident("A"), incident("B")], browser(clerk)
    assert "2 incidents: done." in said(post(client, "mine", *those))
    page = post(client, "assign", *those, seen=clerk, colleague=str(other.pk))
    assert "2 incidents: done." in said(page)
    for each in those:
        each.refresh_from_db()
        assert (each.status, each.acknowledged_by) == (IncidentStatus.ACKNOWLEDGED, other)
    assert "1 incident: done." in said(post(client, "give_back", those[0], seen=other))
    those[0].refresh_from_db()
    assert (those[0].status, those[0].acknowledged_by) == (IncidentStatus.OPEN, None)
    assert history(those[0])[1:] == [
        "", f"Assigned to {other}; before, it was with {clerk}.", f"Given back by {other}.",
    ]  # fmt: skip
    assert {event.by for event in those[0].events.exclude(from_status="")} == {clerk}


def test_who_decides_second_about_several_is_told_about_each_and_the_others_are_done() -> None:
    clerk, other = staff("support"), staff("support")
    taken, free = incident("taken"), incident("free")
    worklist.assign(incident=taken, to=other, seen=None, by=Actor.person(other))
    page = said(post(browser(clerk), "mine", taken, free))
    assert "1 incident: done." in page
    assert f"taken is odd. {other} is on it now; that has changed since you looked." in page
    taken.refresh_from_db()
    assert taken.acknowledged_by == other


@pytest.mark.django_db(transaction=True)
def test_of_two_who_assign_at_the_same_moment_one_is_told() -> None:
    those, told = [staff("support"), staff("support")], []
    odd, together = incident(), threading.Barrier(2)

    def take(who: User) -> None:
        together.wait()
        try:
            worklist.assign(incident=odd, to=who, seen=None, by=Actor.person(who))
        except IncidentError as problem:
            told.append(str(problem))
        finally:
            connection.close()

    threads = [threading.Thread(target=take, args=[who]) for who in those]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    odd.refresh_from_db()
    assert told == [f"{odd.acknowledged_by} is on it now; that has changed since you looked."]


def test_only_staff_who_may_handle_incidents_are_offered_and_taken() -> None:
    clerk, packer, gone = staff("support"), staff("warehouse"), staff("finance")
    gone.is_active = False
    gone.save()
    offered = set(selectors.who_may_handle())
    assert offered == {clerk}
    page = post(browser(clerk), "assign", incident("A"), colleague=str(packer.pk))
    assert page.status_code == 422
    assert "Choose a colleague from the list." in said(page)
    with pytest.raises(IncidentError, match="may not handle"):
        worklist.assign(incident=incident("B"), to=packer, seen=None, by=Actor.person(clerk))


# --- Snooze --------------------------------------------------------------------------------------


def test_a_snoozed_incident_comes_back_when_its_time_is_over() -> None:
    odd, clerk = incident(), staff("support")
    until = timezone.localtime(in_an_hour()).strftime("%Y-%m-%dT%H:%M")
    page = post(browser(clerk), "snooze", odd, until=until, why="They call back.")
    assert "1 incident: done." in said(page)
    client = browser(clerk)
    assert rows(client) == []
    assert "They call back." in history(odd)[-1]
    Incident.objects.update(snoozed_until=timezone.now() - timedelta(seconds=1))
    assert rows(client) == [odd]


def test_a_snoozed_incident_that_happens_again_wakes_and_says_why() -> None:
    odd, clerk = incident(), staff("support")
    by = Actor.person(clerk)
    worklist.snooze(incident=odd, until=in_an_hour(), why="Later.", by=by)
    again = incident()
    assert (again, again.snoozed_until, again.snoozed_why) == (odd, None, "")
    assert history(odd)[-1] == "Woken: it happened again."
    assert incident("A").events.count() == odd.events.count()  # awake: nothing to wake again
    worklist.snooze(incident=odd, until=in_an_hour(), why="Later.", by=by)
    raise_incident(  # another case of the same cause
        kind=IncidentKind.STUCK_ORDER, key="another", what="B.", facts={"status": "A"}
    )
    odd.refresh_from_db()
    assert odd.snoozed_until is None


def test_snoozing_needs_a_moment_ahead_and_a_reason_and_the_second_person_is_told() -> None:
    odd, by = incident(), Actor.person(staff("support"))
    for until, why in (
        (timezone.now() - timedelta(minutes=1), "x"), (timezone.now() + timedelta(days=31), "x"),
        (in_an_hour(), "  "),
    ):  # fmt: skip
        with pytest.raises(IncidentError):
            worklist.snooze(incident=odd, until=until, why=why, by=by)
    with pytest.raises(IncidentError, match="not snoozed"):
        worklist.wake(incident=odd, by=by)
    worklist.snooze(incident=odd, until=in_an_hour(), why="Later.", by=by)
    with pytest.raises(IncidentError, match="snoozed already"):
        worklist.snooze(incident=odd, until=in_an_hour(), why="Later.", by=by)
    client = browser(staff("support"))
    assert "1 incident: done." in said(post(client, "wake", odd))
    assert history(odd)[-1] == "Woken."
    with pytest.raises(DatabaseError), transaction.atomic():
        Incident.objects.update(snoozed_until=in_an_hour(), snoozed_why="")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"do": "snooze", "until": "x", "why": "y", "incident": "?"}, "Enter a valid date"),
        ({"do": "snooze", "incident": "?"}, "Say until when."),
        ({"do": "assign", "incident": "?"}, "Choose a colleague."),
        (
            {"do": "assign", "incident": "?", "colleague": "zzz"},
            "Choose a colleague from the list.",
        ),
        (
            {"do": "assign", "incident": "?", "colleague": "a\0"},
            "Choose a colleague from the list.",
        ),
        ({"do": "explode", "incident": "?"}, "Press one of the buttons."),
        ({"do": "mine"}, "Tick the incidents"),
        ({"do": "mine", "incident": "nonsense"}, "Open the list again"),
    ],
)
def test_bad_input_is_answered_in_a_sentence_and_what_was_typed_is_kept(
    data: dict[str, str], told: str
) -> None:
    odd = incident()
    if data.get("incident") == "?":
        data = {**data, "incident": str(odd.pk)}
    page = browser(staff("support")).post(WORK, data)
    assert page.status_code == 422
    text = said(page)
    if data["do"] != "explode":
        assert told in text
    if data.get("incident") == str(odd.pk):
        assert "checked" in text


def test_an_incident_that_is_over_or_unknown_is_not_changed() -> None:
    odd, clerk = incident(), staff("support")
    resolve(incident=odd, by=Actor.person(clerk), evidence="Over.")
    page = said(post(browser(clerk), "mine", odd, Incident(pk=uuid4())))
    assert "This incident is resolved already." in page
    assert "One of them is not there any more." in page


def test_who_may_not_handle_incidents_looks_only_and_the_warehouse_sees_stock_only() -> None:
    order, drift = incident(), incident("MUG", IncidentKind.STOCK_DRIFT)
    auditor, packer = browser(staff("auditor")), browser(staff("warehouse"))
    assert rows(auditor) == [order, drift]
    assert 'name="do"' not in said(auditor.get(WORK))
    assert rows(packer) == [drift]
    for client in (auditor, packer):
        assert post(client, "mine", drift).status_code == 403
    assert browser(staff("catalogue")).get(WORK).status_code == 403
    with pytest.raises(IncidentError, match="Only staff of support or finance"):
        worklist.wake(incident=order, by=Actor.person(staff("auditor")))
    drift.refresh_from_db()
    assert drift.acknowledged_by is None


# --- Points --------------------------------------------------------------------------------------


def debit(status: str = TransactionStatus.INTENDED, **columns: Any) -> LoyaltyTransaction:
    intent = placed_order((ProductFactory.create(), 1)).transactions.get()
    LoyaltyTransaction.objects.filter(pk=intent.pk).update(status=status, **columns)
    return intent


def test_what_is_unclear_or_due_is_listed_with_its_next_try_the_oldest_first() -> None:
    past, ahead = timezone.now() - timedelta(hours=1), in_an_hour()
    review = debit(TransactionStatus.NEEDS_REVIEW, next_attempt_at=None, attempts=7)
    unknown = debit(TransactionStatus.UNKNOWN, next_attempt_at=ahead, answer_detail="no answer")
    overdue = debit(next_attempt_at=past)
    number = debit(
        TransactionStatus.SUCCEEDED,
        doubt="INSISTS",
        external_transaction_id="t",
        next_attempt_at=None,
    )
    debit(next_attempt_at=ahead)
    debit(TransactionStatus.SUCCEEDED, external_transaction_id="u", next_attempt_at=None)
    client = browser(staff("finance"))

    def found(**query: str) -> list[LoyaltyTransaction]:
        return [row[0] for row in client.get(UNCLEAR, query).context["rows"]]

    assert found() == [review, unknown, overdue, number]
    assert found(what="review") == [review, number]
    assert found(what="unknown") == [unknown]
    assert found(what="overdue") == [overdue]
    page = said(client.get(UNCLEAR))
    for shown in (
        "no answer",
        "7 tries so far",
        "not by itself",
        "Decide",
        review.order.order_number,
    ):
        assert shown in page
    there = reverse("admin:redemption_loyaltytransaction_change", args=[review.pk])
    assert there in page
    assert browser(staff("warehouse")).get(UNCLEAR).status_code == 403
    assert client.post(UNCLEAR).status_code == 405
