"""Deliveries in the admin: from the incident to the page on which two people decide."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.news import tell
from fulfillment.states import CallStatus
from redemption.models import Decision, Incident, OrderItem
from redemption.saga.steps import flag, locked
from redemption.states import DecisionStatus, IncidentKind, IncidentStatus, LineStatus
from tests.catalog.factories import ProductFactory
from tests.redemption.backoffice.test_admin_incidents import shown
from tests.support.orders.order_kinds import confirmed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
LIST = "/admin/redemption/orderitem/"
PROPOSAL = {"came": "0", "evidence": "Ticket 4711: never heard of it."}


def page_of(item: OrderItem) -> str:
    return reverse("admin:redemption_orderitem_change", args=[item.pk])


def address(item: OrderItem, verb: str) -> str:
    return reverse("admin:redemption_orderitem_do", args=[item.pk, verb])


def undecided(kind: IncidentKind = IncidentKind.HORIZON) -> OrderItem:
    """A card whose delivery is unknown, so that two people must decide."""
    order = confirmed_order((ProductFactory.create(virtual=True, name="Music card"), 1))
    item = order.items.get()
    call = PartnerCall.objects.get(fulfillment__reference=item.pk)
    call.transition(CallStatus.SENT, attempts=1)
    call.transition(CallStatus.UNKNOWN, next_attempt_at=None)
    call.transition(CallStatus.NEEDS_REVIEW)
    Fulfillment.objects.update(
        attention="Nobody knows.", next_attempt_at=timezone.now() + timedelta(hours=1)
    )
    flag(
        locked(order.pk),
        "Nobody knows.",
        kind=kind,
        about=item,
        line=str(item.pk),
    )
    return item


def test_the_incident_and_the_order_lead_to_the_decision() -> None:
    item = undecided()
    client = browser(staff("finance"))
    there = reverse("admin:redemption_incident_change", args=[Incident.objects.get().pk])
    page = client.get(there).content.decode()
    assert "Decide on the delivery" in page
    assert "1 × Music card" in page
    assert page_of(item) in page
    order = reverse("admin:redemption_redemptionorder_change", args=[item.order_id])
    assert page_of(item) in client.get(order).content.decode()


def test_one_of_finance_proposes_and_another_confirms() -> None:
    item, fay, gil = undecided(), staff("finance"), staff("finance")
    page = browser(fay).post(address(item, "propose"), PROPOSAL, follow=True).content.decode()
    assert "A second person must decide" in page
    assert "Confirm it" not in page
    client = browser(gil)
    assert "Ticket 4711: never heard of it." in client.get(page_of(item)).content.decode()
    page = client.post(address(item, "confirm"), shown(), follow=True).content.decode()
    assert "The points go back." in page
    assert "Ticket 4711: never heard of it." in page  # the earlier decision
    assert "/do/propose/" not in page
    item.refresh_from_db()
    assert item.fulfillment_status == LineStatus.FAILED
    assert Incident.objects.get().status == IncidentStatus.RESOLVED


def test_who_proposed_it_cannot_confirm_it_by_posting() -> None:
    item, fay = undecided(), staff("finance")
    client = browser(fay)
    client.post(address(item, "propose"), PROPOSAL)
    page = client.post(address(item, "confirm"), shown(), follow=True).content.decode()
    assert "a second person must decide" in page
    assert Decision.objects.get().status == DecisionStatus.PROPOSED


def test_a_rejection_says_why_and_stays_on_the_page() -> None:
    item = undecided()
    browser(staff("finance")).post(address(item, "propose"), PROPOSAL)
    client = browser(staff("finance"))
    assert client.post(address(item, "reject"), shown(reason="")).status_code == 422
    page = client.post(address(item, "reject"), shown(reason="She has it."), follow=True)
    assert "She has it." in page.content.decode()
    assert "Propose this" in page.content.decode()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"evidence": " "}, "This field is required"),
        ({"came": ""}, "Say how many came, 0 if none did."),
        ({"came": "-1"}, "Say how many came, 0 if none did."),
        ({"came": "1.5"}, "Say how many came in a whole number."),
        ({"came": "one"}, "Say how many came in a whole number."),
        ({"came": "2"}, "1 were ordered, so 0 to 1."),
        ({"came": "9" * 5_000}, "Say how many came in a whole number."),
    ],
)
def test_a_wrong_proposal_is_refused_and_what_was_typed_kept(
    wrong: dict[str, str], said: str
) -> None:
    item, typed = undecided(), PROPOSAL | wrong
    answer = browser(staff("finance")).post(address(item, "propose"), typed)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert typed["evidence"] in answer.content.decode()
    assert not Decision.objects.exists()


def test_the_page_says_what_was_decided_about_what_is_settled() -> None:
    item = undecided()
    client = browser(staff("finance"))
    client.post(address(item, "propose"), PROPOSAL)
    held = Fulfillment.objects.get(reference=item.pk)
    held.transition("DELIVERED", quantity_delivered=1)
    tell(held, delivered=1)
    page = browser(staff("finance")).post(address(item, "confirm"), shown(), follow=True)
    assert "settled otherwise before" in page.content.decode()
    assert "Settled otherwise before" in page.content.decode()


def test_no_code_is_ever_on_the_page() -> None:
    item = undecided()
    held = Fulfillment.objects.get(reference=item.pk)
    VirtualCode.objects.create(
        fulfillment=held, position=1, code="SECRET-4711", pin="0815", fingerprint="x"
    )
    client = browser(staff("finance"))
    for there in (page_of(item), LIST):
        page = client.get(there).content.decode()
        assert "SECRET" not in page
        assert "0815" not in page


@pytest.mark.parametrize("group", ["support", "auditor"])
def test_others_look_and_do_nothing(group: str) -> None:
    item = undecided()
    client = browser(staff(group))
    page = client.get(page_of(item)).content.decode()
    assert "Music card" in page
    assert "/do/" not in page
    for verb in ("propose", "remedy", "confirm", "reject"):
        assert client.post(address(item, verb), PROPOSAL).status_code == 403
    assert browser(staff("warehouse")).get(page_of(item)).status_code == 403
    assert not Decision.objects.exists()


def test_the_list_has_what_partners_deliver_and_takes_few_queries(
    django_assert_max_num_queries: Any,
) -> None:
    item = undecided()
    confirmed_order((ProductFactory.create(in_stock=5, name="Teapot"), 1))
    for _number in range(20):
        confirmed_order((ProductFactory.create(virtual=True), 1))
    client = browser(staff("finance"))
    rows = client.get(LIST).context["cl"].result_list
    assert item in rows
    assert {row.product_name for row in rows}.isdisjoint({"Teapot"})
    with django_assert_max_num_queries(15):
        assert client.get(LIST).status_code == 200
    with django_assert_max_num_queries(22):
        assert client.get(page_of(item)).status_code == 200


def test_deliveries_are_filtered_by_the_statuses_that_they_can_have() -> None:
    item = undecided()
    parcel = confirmed_order((ProductFactory.create(), 1)).items.get()
    client = browser(staff("finance"))
    listed = client.get(LIST)
    assert "Packed" not in listed.text, "a partner packs nothing"
    assert parcel not in listed.context["cl"].result_list
    for status, found in (("REQUESTED", [item]), ("FAILED", []), ("PACKED", [item])):
        rows = client.get(LIST, {"status": status}).context["cl"].result_list
        assert list(rows) == found, status
