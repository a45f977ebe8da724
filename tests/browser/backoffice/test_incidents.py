"""Incidents in a browser: viewing, acknowledging, resolving, and deciding by two people."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from fulfillment.models import PartnerCall
from fulfillment.states import CallStatus
from redemption.incidents.services import raise_incident
from redemption.models import Incident, OrderItem
from redemption.states import IncidentKind
from tests.browser.scene import Scene
from tests.browser.window import WCAG, Window
from tests.support.stack import Stack
from tests.support.staff import staff
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
LIST = "/admin/redemption/incident/"
PAST = "2020-01-01T00:00:00Z"


def drift(sku: str) -> Incident:
    return raise_incident(
        kind=IncidentKind.STOCK_DRIFT,
        key=f"stock-drift:{sku}",
        what=f"{sku}: available 7 + reserved 0, received 10 - consumed 5 + adjusted 0",
        facts={"sku": sku},
    )


def page_of(incident: Incident) -> str:
    return f"{LIST}{incident.pk}/change/"


def nobody_knows(scene: Scene, stack: Stack, cards: int = 1) -> Incident:
    """Make an incident: a request for cards that the partner did not answer until the horizon."""
    stack.sandbox.fault("fulfill", "reset_before", times=None)
    order = scene.place((scene.card, cards), seat=scene.new_seat("buyer"))
    calls = PartnerCall.objects.filter(fulfillment__label=order.order_number)
    failed = calls.filter(status=CallStatus.UNKNOWN)
    [call] = eventually(lambda: list(failed.all()), "the request fails")

    def given_up() -> list[Incident]:
        late = PartnerCall.objects.filter(pk=call.pk, status=CallStatus.UNKNOWN)
        late.update(first_sent_at=PAST, next_attempt_at=PAST, lease_until=None)
        return list(Incident.objects.filter(order=order, kind=IncidentKind.HORIZON))

    [incident] = eventually(given_up, "a person is told")
    stack.sandbox.clear_faults()
    return incident


def line_of(incident: Incident) -> OrderItem:
    return OrderItem.objects.get(pk=incident.facts["line"])


def test_incidents_are_for_everybody(scene: Scene, stack: Stack, open_window: Opener) -> None:
    asked = nobody_knows(scene, stack)
    paths = (
        "/admin/",
        LIST,
        f"{LIST}work/",
        "/admin/redemption/loyaltytransaction/unclear/",
        page_of(drift("MUG")),
        page_of(asked),
        f"/admin/redemption/orderitem/{line_of(asked).pk}/change/",
        "/admin/redemption/orderitem/",
        f"/admin/redemption/redemptionorder/{asked.order_id}/change/",
    )
    assert open_window(staff("finance")).finds_for_everybody(paths) == []


def test_somebody_takes_an_incident_on_and_ends_it_with_evidence(
    scene: Scene, open_window: Opener
) -> None:
    incident, clerk = drift("TEAPOT"), staff("support")
    window = open_window(clerk)
    page = window.go(page_of(incident))
    expect(page.get_by_role("main")).to_contain_text("Count it, and enter the count.")

    page.get_by_role("button", name="I am on it").click()
    expect(page.get_by_role("main")).to_contain_text("It is yours now.")
    expect(page.get_by_role("button", name="I am on it")).to_have_count(0)

    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    page.get_by_label("Evidence that it is over").fill("Counted: 12 on the shelf, entered.")
    page.get_by_role("button", name="Resolve").click()

    main = page.get_by_role("main")
    expect(main).to_contain_text("Counted: 12 on the shelf, entered.")
    expect(page.get_by_role("button", name="Resolve")).to_have_count(0)
    assert window.axe_finds(WCAG) == []
    incident.refresh_from_db()
    assert (incident.acknowledged_by, incident.resolved_by) == (clerk, clerk)
    page.goto(f"{LIST}?state=unresolved")
    expect(page.get_by_role("link", name=re.compile("TEAPOT"))).to_have_count(0)


def decide_on_the_delivery(window: Window, incident: Incident) -> Page:
    """Go from an incident, which other orders may share, to the decision about its newest case."""
    page = window.go(page_of(incident))
    page.get_by_role("link", name="Decide on the delivery").first.click()
    return page


def test_two_people_decide_what_became_of_a_delivery(
    scene: Scene, stack: Stack, open_window: Opener
) -> None:
    incident, fay, gil = nobody_knows(scene, stack), staff("finance"), staff("finance")
    order = incident.order
    assert order is not None
    page = decide_on_the_delivery(open_window(fay), incident)
    page.get_by_label("How many came").fill("0")
    page.get_by_label("Evidence").fill("Ticket 4711: they never heard of it.")
    page.get_by_role("button", name="Propose this").click()
    expect(page.get_by_role("main")).to_contain_text("A second person must decide")
    expect(page.get_by_role("button", name="Confirm it")).to_have_count(0)

    second = decide_on_the_delivery(open_window(gil), incident)
    expect(second.get_by_role("main")).to_contain_text("Ticket 4711: they never heard of it.")
    second.get_by_role("button", name="Confirm it").click()

    expect(second.get_by_role("main")).to_contain_text("Confirmed. The points go back.")
    eventually(lambda: stack.ends(order.order_number), "the points are back")
    assert scene.ledger(order) == (1_500, 1_500)
    watching = open_window(order.account_manager).go(order.get_absolute_url())
    expect(watching.get_by_role("main")).to_contain_text("Our partner did not deliver it.")
    expect(watching.get_by_role("main")).not_to_contain_text("Ticket 4711")
    done = open_window(fay).go(page_of(incident))
    expect(done.get_by_role("main")).to_contain_text("Ticket 4711: they never heard of it.")


def test_a_second_person_who_does_not_agree_says_why(
    scene: Scene, stack: Stack, open_window: Opener
) -> None:
    incident, fay, gil = nobody_knows(scene, stack, cards=3), staff("finance"), staff("finance")
    phone = open_window(fay, width=390)
    page = decide_on_the_delivery(phone, incident)
    page.get_by_label("How many came").fill("4")
    page.get_by_label("Evidence").fill("The recipient thanked for them.")
    page.get_by_role("button", name="Propose this").click()
    expect(page.get_by_role("alert").first).to_contain_text("3 were ordered, so 0 to 3.")
    assert phone.sideways() == 0
    page.get_by_label("How many came").fill("2")
    page.get_by_role("button", name="Propose this").click()
    expect(page.get_by_role("main")).to_contain_text("The partner delivered 2 of 3")
    assert phone.sideways() == 0
    second = decide_on_the_delivery(open_window(gil), incident)
    second.locator("summary", has_text="Reject it").click()
    second.get_by_role("button", name="Reject it").click()
    expect(second.get_by_role("alert").first).to_be_visible()
    second.get_by_label("Why not").fill("That was another card.")
    second.get_by_role("button", name="Reject it").click()
    expect(second.get_by_role("main")).to_contain_text("That was another card.")
    expect(second.get_by_role("button", name="Propose this")).to_be_visible()
