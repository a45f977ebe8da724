"""Incidents in the admin: sorted by severity, acknowledged, resolved with evidence, and decided."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User
from loyalty_portal.admin_site import lists
from loyalty_portal.data.leases import MOST_RAISED
from redemption.backoffice.admin_incidents import IncidentAdmin
from redemption.incidents.services import raise_incident, settle_incident
from redemption.models import Decision, Incident, Letter, LoyaltyTransaction
from redemption.saga.queues import work
from redemption.saga.steps import flag, locked
from redemption.states import (
    DecisionStatus,
    IncidentKind,
    IncidentStatus,
    OrderStatus,
    TransactionStatus,
)
from tests.catalog.factories import ProductFactory
from tests.support.orders.order_kinds import confirmed_order, placed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
LIST = "/admin/redemption/incident/"


def drift(sku: str = "MUG") -> Incident:
    return raise_incident(
        kind=IncidentKind.STOCK_DRIFT,
        key=f"stock-drift:{sku}",
        what=f"{sku}: 3 too many.",
        facts={"sku": sku},
    )


def page_of(row: Incident | LoyaltyTransaction) -> str:
    return reverse(f"admin:redemption_{row._meta.model_name}_change", args=[row.pk])


def address(row: Incident | LoyaltyTransaction, verb: str) -> str:
    return reverse(f"admin:redemption_{row._meta.model_name}_do", args=[row.pk, verb])


def undecided() -> LoyaltyTransaction:
    """A debit of unknown outcome that two people must decide about."""
    order = placed_order((ProductFactory.create(name="Teapot"), 1))
    debit = order.transactions.get()
    debit.transition(TransactionStatus.SENT, attempts=1)
    debit.transition(TransactionStatus.UNKNOWN, next_attempt_at=None)
    debit.transition(TransactionStatus.NEEDS_REVIEW)
    flag(locked(order.pk), "Nobody knows.", kind=IncidentKind.HORIZON, about=debit)
    return debit


def test_the_list_has_the_worst_first_and_what_is_over_last() -> None:
    over = drift("BOX")
    settle_incident(key="stock-drift:BOX", why="It adds up again.")
    mild = raise_incident(kind=IncidentKind.STUCK_ORDER, key="stuck:1", what="Still pending.")
    bad = raise_incident(kind=IncidentKind.CREDIT_REFUSED, key="credit:1", what="Refused.")
    client = browser(staff("support"))
    page = client.get(LIST)
    assert list(page.context["cl"].result_list) == [bad, mild, over]
    assert "Refused." in page.content.decode()
    found = client.get(LIST, {"state": "unresolved"}).context["cl"].result_list
    assert list(found) == [bad, mild]
    found = client.get(LIST, {"kind__exact": "STUCK_ORDER"}).context["cl"].result_list
    assert list(found) == [mild]
    found = client.get(LIST, {"severity__exact": "2", "state": "RESOLVED"})
    assert list(found.context["cl"].result_list) == [over]
    assert list(client.get(LIST, {"q": "BOX"}).context["cl"].result_list) == [over]


def test_pages_of_a_long_list_hold_each_incident_once_in_its_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # replaced: so that a few rows are a long list
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    monkeypatch.setattr(IncidentAdmin, "list_per_page", 2)
    for number in range(5):
        kind = IncidentKind.RECONCILIATION
        raise_incident(kind=kind, key=f"odd:{number}", what=f"Number {number}.")
    for number in (0, 3):
        settle_incident(key=f"odd:{number}", why="It is well again.")
    client, there, seen = browser(staff("support")), "?", []
    while there:
        page = client.get(LIST + there)
        seen += [row.what for row in page.context["cl"].result_list]
        there = page.context["cl"].paginator.following
    assert seen == [f"Number {number}." for number in (4, 2, 1, 3, 0)]


def test_an_incidents_page_says_what_happened_what_to_do_and_leads_on() -> None:
    debit = undecided()
    incident = Incident.objects.get()
    page = browser(staff("finance")).get(page_of(incident)).content.decode()
    for shown in (
        "Nobody knows.", "Nobody knows whether this call was carried out", "Critical",
        page_of(debit), debit.order.order_number, debit.order.company.name, "Decide on the points",
        reverse("admin:redemption_redemptionorder_change", args=[debit.order_id]),
    ):  # fmt: skip
        assert shown in page


def test_the_orders_page_leads_to_its_incident_and_to_the_decision() -> None:
    debit = undecided()
    there = reverse("admin:redemption_redemptionorder_change", args=[debit.order_id])
    page = browser(staff("finance")).get(there).content.decode()
    assert page_of(Incident.objects.get()) in page
    assert page_of(debit) in page


def test_somebody_takes_it_on_and_ends_it() -> None:
    incident, clerk = drift(), staff("support")
    client = browser(clerk)
    page = client.post(address(incident, "acknowledge"), follow=True).content.decode()
    assert "It is yours now." in page
    client.post(address(incident, "resolve"), {"evidence": "Counted: 12, entered."})
    page = client.get(page_of(incident)).content.decode()
    assert "Counted: 12, entered." in page
    assert "/do/" not in page  # no action is left
    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.resolved_by) == (clerk, clerk)


def test_it_does_not_end_without_evidence() -> None:
    incident = drift()
    answer = browser(staff("support")).post(address(incident, "resolve"), {"evidence": " "})
    assert answer.status_code == 422
    incident.refresh_from_db()
    assert incident.status == IncidentStatus.OPEN


def test_who_comes_second_is_told_who_is_on_it() -> None:
    incident, first = drift(), staff("support")
    browser(first).post(address(incident, "acknowledge"))
    page = browser(staff("support")).post(address(incident, "acknowledge"), follow=True)
    assert f"{first} is on it already" in page.content.decode()


def test_the_last_incident_of_an_order_takes_its_mark_away() -> None:
    order = confirmed_order((ProductFactory.create(in_stock=5), 1))
    flag(locked(order.pk), "Odd.", kind=IncidentKind.CONTRADICTION)
    flag(locked(order.pk), "Late.", kind=IncidentKind.STUCK_ORDER, status=order.status)
    client = browser(staff("support"))
    for incident, marked in zip(Incident.objects.all(), (True, False), strict=True):
        client.post(address(incident, "resolve"), {"evidence": "Asked the partner."})
        order.refresh_from_db()
        assert order.needs_attention is marked


def test_work_that_was_put_aside_is_put_back_by_a_button() -> None:
    order = confirmed_order((ProductFactory.create(in_stock=5), 1))
    letter = Letter.objects.get(order=order)
    for _ in range(MOST_RAISED):
        Letter.objects.update(
            kind="of no kind", next_attempt_at="2020-01-01T00:00:00Z", lease_until=None
        )
        work("letters", letter.pk)
    incident = Incident.objects.get(kind=IncidentKind.POISON_ROW)
    client = browser(staff("support"))
    assert "Try it again" in client.get(page_of(incident)).content.decode()
    page = client.post(address(incident, "again"), follow=True).content.decode()
    assert "tried again within moments" in page
    letter.refresh_from_db()
    assert letter.next_attempt_at is not None
    page = client.post(address(incident, "again"), follow=True).content.decode()
    assert "being worked on already" in page


def test_only_what_was_put_aside_can_be_put_back() -> None:
    incident, client = drift(), browser(staff("support"))
    assert "Try it again" not in client.get(page_of(incident)).content.decode()
    page = client.post(address(incident, "again"), follow=True).content.decode()
    assert "Nothing was put aside here." in page


def test_the_warehouse_sees_what_concerns_the_stock_and_nothing_else() -> None:
    incident, debit = drift(), undecided()
    other = Incident.objects.get(transaction=debit)
    client = browser(staff("warehouse"))
    assert list(client.get(LIST).context["cl"].result_list) == [incident]
    page = client.get(page_of(incident)).content.decode()
    assert "Count it, and enter the count." in page
    assert "/do/" not in page
    assert client.get(page_of(other)).status_code == 404
    overview = client.get("/admin/")
    cards = {card.title: card for _title, cards in overview.context["groups"] for card in cards}
    assert cards["Open"].number == 1
    assert debit.order.order_number not in overview.content.decode()
    for there, refused in ((incident, 403), (other, 404)):
        answer = client.post(address(there, "resolve"), {"evidence": "x"})
        assert answer.status_code == refused


@pytest.mark.parametrize("group", ["catalogue", "fulfillment"])
def test_others_do_not_see_incidents(group: str) -> None:
    incident, client = drift(), browser(staff(group))
    assert client.get(LIST).status_code == 403
    assert client.get(page_of(incident)).status_code == 403
    assert client.post(address(incident, "acknowledge")).status_code == 403
    assert "Incidents" not in {title for title, _ in client.get("/admin/").context["groups"]}


def test_the_auditor_looks_and_does_nothing() -> None:
    incident, debit = drift(), undecided()
    client = browser(staff("auditor"))
    assert "/do/" not in client.get(page_of(incident)).content.decode()
    assert "/do/" not in client.get(page_of(debit)).content.decode()
    for verb in ("acknowledge", "resolve", "again"):
        assert client.post(address(incident, verb), {"evidence": "x"}).status_code == 403
    for verb in ("propose", "confirm", "reject"):
        assert client.post(address(debit, verb), {"reason": "x"}).status_code == 403


def test_the_overview_and_the_menu_count_what_is_open() -> None:
    drift()
    undecided()
    page = browser(staff("finance")).get("/admin/")
    cards = {card.title: card for _title, cards in page.context["groups"] for card in cards}
    assert (cards["Open"].number, cards["Open"].tone) == (2, "bad")
    assert "of them 1 is critical" in page.content.decode()
    [worst] = [each for each in page.context["lists"] if "worst first" in each.title]
    found = {str(incident.pk): incident.kind for incident in Incident.objects.all()}
    kinds = [found[line.href.rstrip("/").split("/")[-2]] for line in worst.lines]
    assert kinds == ["HORIZON", "STOCK_DRIFT"]


def test_lists_and_pages_take_few_queries(django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        raise_incident(
            kind=IncidentKind.STUCK_ORDER,
            key=f"stuck:{number}",
            what="Still pending.",
            order=placed_order((ProductFactory.create(), 1)),
        )
    client = browser(staff("support"))
    client.get(LIST)
    with django_assert_max_num_queries(15):
        assert client.get(LIST).status_code == 200
    with django_assert_max_num_queries(16):  # one is whether it may be ended by one person
        assert client.get(page_of(Incident.objects.all()[0])).status_code == 200


# --- Two people decide ---------------------------------------------------------------------

PROPOSAL = {"verdict": "DID_NOT", "entry": "", "evidence": "Not in their statement of today."}


def shown(**more: str) -> dict[str, str]:
    """The form data for a decision about the open proposal, as its page would send it."""
    return {"proposal": str(Decision.objects.get(status="PROPOSED").pk), **more}


def propose(debit: LoyaltyTransaction, by: User, **changes: str) -> Any:
    return browser(by).post(address(debit, "propose"), {**PROPOSAL, **changes}, follow=True)


def test_one_of_finance_proposes_and_another_confirms() -> None:
    debit, fay, gil = undecided(), staff("finance"), staff("finance")
    page = propose(debit, fay).content.decode()
    assert "A second person must decide" in page
    assert "Confirm it" not in page
    page = browser(gil).get(page_of(debit)).content.decode()
    assert "Not in their statement of today." in page
    answer = browser(gil).post(address(debit, "confirm"), shown(), follow=True).content.decode()
    assert "The order goes on." in answer
    debit.order.refresh_from_db()
    assert debit.order.status == OrderStatus.DECLINED
    assert Incident.objects.get().status == IncidentStatus.RESOLVED


def test_who_proposed_it_cannot_confirm_it_by_posting() -> None:
    debit, fay = undecided(), staff("finance")
    propose(debit, fay)
    page = browser(fay).post(address(debit, "confirm"), shown(), follow=True).content.decode()
    assert "a second person must decide" in page
    assert Decision.objects.get().status == DecisionStatus.PROPOSED


def test_a_rejection_says_why_and_stays_on_the_page() -> None:
    debit, fay, gil = undecided(), staff("finance"), staff("finance")
    propose(debit, fay)
    client = browser(gil)
    assert client.post(address(debit, "reject"), shown(reason="")).status_code == 422
    page = client.post(address(debit, "reject"), shown(reason="It is in line 4."), follow=True)
    assert "It is in line 4." in page.content.decode()
    assert "Propose this" in page.content.decode()


def test_what_took_place_needs_the_partners_entry() -> None:
    debit = undecided()
    answer = propose(debit, staff("finance"), verdict="TOOK_PLACE")
    assert answer.status_code == 422
    assert "Give the number of the partner" in answer.content.decode()
    assert "Not in their statement of today." in answer.content.decode()


def test_the_entry_that_was_decided_on_is_named_in_the_story_of_the_points_and_of_the_order() -> (
    None
):
    debit = undecided()
    propose(debit, staff("finance"), verdict="TOOK_PLACE", entry="txn_4711")
    client, told = browser(staff("finance")), "It took place, as txn_4711 at the partner"
    assert told in client.get(page_of(debit)).content.decode()
    page = client.post(address(debit, "confirm"), shown(), follow=True).content.decode()
    assert f"Decided by two people: {told}." in page
    order = reverse("admin:redemption_redemptionorder_change", args=[debit.order_id])
    assert f"Confirmed: {told}." in client.get(order).content.decode()


@pytest.mark.parametrize("group", ["support", "warehouse"])
def test_only_finance_decides(group: str) -> None:
    debit = undecided()
    assert browser(staff(group)).post(address(debit, "propose"), PROPOSAL).status_code == 403
    assert not Decision.objects.exists()


def test_superusers_decide_too() -> None:
    debit, root = undecided(), staff()
    root.is_superuser = True
    root.save()
    propose(debit, root)
    assert Decision.objects.get().proposed_by == root
