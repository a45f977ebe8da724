"""A day at the desk: twenty parcels by two people at once, with a click or a scan for each."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from django.db import transaction
from playwright.sync_api import Page, expect

from catalog.models import Product
from fulfillment.models import Fulfillment, Shipment
from fulfillment.states import TO_SEND, FulfillmentStatus
from redemption.invariants.checks import check_invariants
from redemption.models import RedemptionOrder
from tests.accounts.factories import SeatFactory
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.support.orders.order_kinds import confirmed_order
from tests.support.staff import staff

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
DESK = "/admin/desk/"
PARCELS = 20


class Packer:
    """A person at the desk. It counts clicks, scans and page loads."""

    def __init__(self, open_window: Opener) -> None:
        self.page: Page = open_window(staff("fulfillment")).go(DESK)
        self.clicks = self.scans = self.loads = 0
        self.page.on("request", self._asked)

    def _asked(self, request: object) -> None:
        self.loads += bool(request.is_navigation_request())  # type: ignore[attr-defined]

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()
        self.clicks += 1

    def scan(self, text: str) -> None:
        """As a scanner does: into whatever has the focus, then Enter."""
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")
        self.scans += 1

    def said(self, words: str) -> None:
        expect(self.page.locator("#desk-said")).to_contain_text(words)

    @property
    def order(self) -> str:
        """The number of the order on the right."""
        return self.page.locator(".desk__parcel h2").inner_text()


def orders(count: int) -> list[RedemptionOrder]:
    seat = SeatFactory.create()
    book = Product.objects.get(sku="9790000000011")
    with transaction.atomic():  # so that no worker asks the partner about them meanwhile
        return [confirmed_order((book, 1), seat=seat) for _number in range(count)]


def test_a_day_at_the_desk_costs_one_click_or_scan_a_parcel_and_no_page_load(
    scene: Scene, open_window: Opener
) -> None:
    # Nothing else is free while the two work.
    Fulfillment.objects.filter(status__in=TO_SEND).update(hold_reason="Not today")
    numbers = {order.order_number for order in orders(PARCELS + 1)}
    people = [Packer(open_window) for _person in range(2)]
    for person in people:
        person.press("Claim the next one")
        expect(person.page.get_by_label("Carrier", exact=True)).to_be_visible()
        person.page.get_by_label("Carrier", exact=True).fill("UPS")
    ann, bob = people
    missing = ann.order
    ann.page.get_by_text("Cannot supply").click()
    ann.page.get_by_label("Reason").fill("Torn in the store")
    ann.press("Give up these pieces")
    ann.said("1 piece given up")
    ann.press("Claim the next one")
    ann.page.get_by_label("Carrier", exact=True).fill("UPS")
    expect(ann.page.locator(".desk__parcel h2")).not_to_have_text(missing)

    for person in people:
        person.clicks = person.scans = person.loads = 0
    sent: set[str] = set()
    for number in range(PARCELS):
        person = people[number % 2]
        order = person.order
        assert order not in sent, "two people had the same parcel"
        person.press("Pack and ship, next")
        person.said(f"Order {order}: 1 piece sent with UPS.")
        sent.add(order)
    assert sent == numbers - {missing}
    clicks = sum(person.clicks + person.scans for person in people)
    loads = sum(person.loads for person in people)
    print(f"{PARCELS} parcels: {clicks} clicks, {loads} page loads")
    assert (clicks, loads) == (PARCELS, 0)
    assert Fulfillment.objects.get(label=missing).status == FulfillmentStatus.FAILED

    returned = min(sent)
    bob.scan(returned)
    bob.said(f"Nothing of order {returned} is left to send.")
    bob.press("It has arrived")
    bob.said("The parcel has arrived.")
    bob.page.get_by_text("Something came back").click()
    bob.page.get_by_label("Why it came back").fill("Moved away")
    bob.press("Take it back")
    bob.said("Taken back")
    assert Fulfillment.objects.get(label=returned).status == FulfillmentStatus.RETURNED
    assert not check_invariants()
    Fulfillment.objects.filter(status__in=TO_SEND).update(hold_reason="")


def test_scanning_alone_packs_and_ships(scene: Scene, open_window: Opener) -> None:
    first, second = orders(2)
    ann = Packer(open_window)
    ann.scan(first.order_number.replace("-", "").lower())
    ann.said(f"Order {first.order_number}.")
    ann.scan("9790000000011")
    ann.said("Picked: 1 ×")
    ann.scan("9790000000011")
    ann.said("is picked already.")
    ann.scan("4006381333931")
    ann.said("“4006381333931” is not in this parcel")
    ann.scan("1Z5R89390357567128")
    ann.said("its check digit is wrong")
    ann.scan("1Z5R89390357567127")
    ann.said("Tracking number of UPS.")
    number = ann.page.locator("#ship-tracking_number")
    expect(number).to_have_value("1Z5R89390357567127")
    ann.page.get_by_label("Carrier", exact=True).fill("UPS")
    ann.page.get_by_label("Send it as soon as its tracking number is scanned").check()
    ann.page.keyboard.press("Control+Enter")
    ann.said(f"Order {first.order_number}: 1 piece sent with UPS.")
    ann.scan(second.order_number)
    ann.said(f"Order {second.order_number}.")
    ann.scan("1Z5R89390357567127")
    ann.said(f"That is the parcel of order {first.order_number}")
    ann.scan(second.order_number)
    ann.said(f"Order {second.order_number}.")
    ann.scan("1Z999AA10123456784")
    ann.said(f"Order {second.order_number}: 1 piece sent with UPS.")
    assert ann.loads == 0
    assert Shipment.objects.filter(fulfillments__label=second.order_number).count() == 1


def test_a_scanner_need_not_wait_for_an_answer(scene: Scene, open_window: Opener) -> None:
    """Each scan is answered in its turn, though all were made before the first answer."""
    [order] = orders(1)
    ann = Packer(open_window)
    posts: list[str] = []
    ann.page.on("request", lambda request: posts.append(request.post_data or ""))
    scans = [order.order_number, "9790000000011", "4006381333931", "1Z12345E0205271686"]
    for text in scans:
        ann.scan(text)
    ann.page.keyboard.type("1Z5R893")  # the scanner is amid its next when the answers come
    ann.said("Tracking number of UPS.")
    expect(ann.page.locator("#ship-tracking_number")).to_have_value("1Z12345E0205271686")
    expect(ann.page.get_by_text("Picked", exact=False).first).to_be_visible()
    field = ann.page.locator("#desk-scan-text")
    expect(field).to_have_value("1Z5R893")
    expect(field).to_be_focused()
    sent = [parse_qs(post)["text"] for post in posts if "text=" in post]
    assert sent == [[text] for text in scans]
    field.fill("")
    ann.page.get_by_label("Carrier", exact=True).fill("UPS")
    field.focus()
    ann.scan("9790000000011")
    ann.page.keyboard.press("Control+Enter")
    ann.said(f"Order {order.order_number}: 1 piece sent with UPS.")


def test_the_desk_is_for_everybody(scene: Scene, open_window: Opener) -> None:
    [order] = orders(1)
    line = Fulfillment.objects.get(label=order.order_number)
    window = open_window(scene.clerk)
    assert window.finds_for_everybody((DESK, f"{DESK}{line.pk}/")) == []
    page = window.page
    page.set_viewport_size({"width": 820, "height": 1180})
    window.go(f"{DESK}{line.pk}/")
    assert window.sideways() == 0
    row = page.locator(".desk__row").first.bounding_box()
    top = page.locator(".desk__rows").bounding_box()
    assert row
    assert top
    assert (1180 - top["y"]) / row["height"] >= 12
