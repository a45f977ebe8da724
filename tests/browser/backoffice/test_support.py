"""The calls that support takes, and the unclear debit that finance decides, with their clicks.

docs/staff/backoffice.md has the numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from accounts.models import Role
from fulfillment.models import VirtualCode
from redemption.incidents.services import raise_incident
from redemption.models import LoyaltyTransaction, RedemptionOrder
from redemption.states import IncidentKind, TransactionStatus
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.support.stack import Stack
from tests.support.staff import staff
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
PAST = "2020-01-01T00:00:00Z"


class Counted:
    """Counts a person's clicks, and the pages that were loaded since."""

    def __init__(self, window: Window) -> None:
        self._window, self.clicks, self._before = window, 0, len(window.loaded)

    def click(self, what: Locator) -> None:
        self.clicks += 1
        what.click()

    @property
    def loads(self) -> int:
        """Pages, without redirects to them."""
        since = self._window.loaded[self._before :]
        return sum(
            each.request.is_navigation_request() and each.status // 100 != 3 for each in since
        )


def find(window: Window, number: str) -> Page:
    """Search for an order from the first page, as somebody who has its number on the phone."""
    page = window.page
    page.get_by_role("searchbox").first.fill(number)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=number, level=2)).to_be_visible()
    return page


def test_support_answers_a_caller_who_did_not_get_the_code(
    scene: Scene, stack: Stack, open_window: Opener
) -> None:
    number, clerk = scene.order["delivered"], staff("support")
    window = open_window(clerk)
    window.go("/admin/")
    counted = Counted(window)
    page = find(window, number)
    counted.click(page.get_by_role("link", name="Send the codes again"))
    page.get_by_role("textbox", name="To", exact=True).fill("ada@elsewhere.example")
    page.get_by_label("Why").fill("A typo in the address.")
    counted.click(page.get_by_role("button", name="Send the codes again"))
    expect(page.get_by_role("main")).to_contain_text("asked to send the codes")
    assert (counted.clicks, counted.loads) == (2, 3)

    theirs = open_window(scene.buyer).go(f"/orders/{number}/")
    expect(theirs.get_by_role("main")).to_contain_text("send them to ada@elsewhere.example")
    sent = stack.sandbox.calls
    eventually(lambda: sent(operation="resend", outcome="executed"), "the partner sends it")
    order = RedemptionOrder.objects.get(order_number=number)
    code = VirtualCode.objects.get(fulfillment__label=number)
    there = reverse("admin:redemption_redemptionorder_change", args=[order.pk])
    line = reverse("admin:redemption_orderitem_change", args=[order.items.get().pk])
    assert window.finds_for_everybody([there, line]) == []
    page = window.go(there)
    expect(page.get_by_role("main")).to_contain_text("Send again: Done")
    expect(page.get_by_role("main")).not_to_contain_text(code.secret())


def test_support_says_where_it_is_notes_the_call_and_sends_a_letter_again(
    scene: Scene, open_window: Opener
) -> None:
    window = open_window(staff("support"))
    window.go("/admin/")
    counted = Counted(window)
    page = find(window, scene.order["shipped"])
    expect(page.get_by_role("main")).to_contain_text("PL-4711-0815")
    assert (counted.clicks, counted.loads) == (0, 1)

    page.get_by_label("Note").fill("Asked for the tracking number.")
    counted.click(page.get_by_role("button", name="Write the note"))
    expect(page.get_by_role("main")).to_contain_text("Asked for the tracking number.")
    counted.click(page.get_by_role("button", name="Send again").first)
    expect(page.get_by_role("main")).to_contain_text("It is sent once more")
    assert (counted.clicks, counted.loads) == (2, 3)


def at_the_desk(scene: Scene) -> RedemptionOrder:
    """An order of two lines of which one waits at the desk."""
    # A seat of its own: what one seat orders in a day counts together towards its approval.
    seat = scene.new_seat(Role.BUYER)
    order = scene.place((scene.book, 3), (scene.card, 1), seat=seat)
    queued = order.items.filter(product=scene.book, fulfillment_status="QUEUED")
    eventually(queued.exists, "it waits at the desk")
    return order


def test_support_corrects_a_wrong_address(scene: Scene, open_window: Opener) -> None:
    order = at_the_desk(scene)
    book = order.items.get(product=scene.book)
    window = open_window(staff("support"))
    window.go("/admin/")
    counted = Counted(window)
    page = find(window, order.order_number)
    counted.click(
        page.locator(f"#line-{book.pk}").get_by_role("link", name="Correct the recipient")
    )
    counted.click(page.locator("#recipient summary"))
    page.locator("#correct-address_line1").fill("Chausseestr. 5")
    page.locator("#correct-reason").fill("They moved.")
    counted.click(page.get_by_role("button", name="Correct the recipient"))
    expect(page.get_by_role("main")).to_contain_text("Corrected. The company reads")
    assert (counted.clicks, counted.loads) == (3, 3)
    line = reverse("admin:redemption_lineunits_change", args=[book.pk])
    assert window.finds_for_everybody([line]) == []
    theirs = open_window(order.account_manager).go(f"/orders/{order.order_number}/")
    expect(theirs.get_by_role("main")).to_contain_text("Recipient corrected (They moved.)")


def test_support_credits_some_units_of_a_line_and_cancels_it(
    scene: Scene, open_window: Opener
) -> None:
    order = at_the_desk(scene)
    there = reverse("admin:redemption_redemptionorder_change", args=[order.pk])
    line = f"#line-{order.items.get(product=scene.book).pk}"
    window = open_window(staff("support"))
    page = window.go(there)
    counted = Counted(window)
    counted.click(page.locator(line).get_by_role("link", name="Units and points"))
    counted.click(page.locator("summary", has_text="Give points of some units back"))
    page.get_by_label("Units", exact=True).fill("1")
    page.locator("#credit-reason").fill("One was promised for free.")
    counted.click(page.get_by_role("button", name="Give these points back"))
    expect(page.get_by_role("main")).to_contain_text("The points of 2 units were not given back.")
    assert (counted.clicks, counted.loads) == (3, 2)

    page = window.go(there)
    counted = Counted(window)
    counted.click(page.locator(line).get_by_role("link", name="Units and points"))
    counted.click(page.locator("summary", has_text="Cancel this line"))
    page.locator("#cancel-reason").fill("Not needed any more.")
    counted.click(page.get_by_role("button", name="Cancel this line"))
    expect(page.get_by_role("main")).to_contain_text("points go back to the company’s account")
    assert (counted.clicks, counted.loads) == (3, 2)


def test_support_works_a_list_of_incidents_several_at_once(open_window: Opener) -> None:
    for name in ("first", "second"):
        kind = IncidentKind.RECONCILIATION
        raise_incident(kind=kind, key=f"odd:{name}", what=f"The {name} is odd.")
    window = open_window(staff("support"), width=390)
    page = window.go("/admin/redemption/incident/work/?kind=RECONCILIATION")
    counted = Counted(window)
    for name in ("first", "second"):
        counted.click(page.get_by_role("checkbox", name=f"The {name} is odd."))
    page.get_by_label("Why it can wait").fill("They call back tomorrow.")
    counted.click(page.get_by_role("button", name="Snooze"))
    expect(page.get_by_role("main")).to_contain_text("2 incidents: done.")
    expect(page.get_by_role("main")).not_to_contain_text("The first is odd.")
    assert (counted.clicks, counted.loads) == (3, 1)
    assert window.sideways() == 0


def unclear(scene: Scene, stack: Stack) -> LoyaltyTransaction:
    """A debit that the partner did not answer until the horizon."""
    stack.sandbox.fault("debit", "reset_before", times=None)
    debit = scene.debit(scene.place((scene.book, 1), seat=scene.new_seat("buyer")))
    rows = LoyaltyTransaction.objects.filter(pk=debit.pk)

    def given_up() -> bool:
        late = rows.filter(status=TransactionStatus.UNKNOWN)
        late.update(first_sent_at=PAST, next_attempt_at=PAST, lease_until=None)
        return rows.filter(status=TransactionStatus.NEEDS_REVIEW).exists()

    eventually(given_up, "a person is asked")
    stack.sandbox.clear_faults()
    return debit


def test_two_of_finance_decide_an_unclear_debit(
    scene: Scene, stack: Stack, open_window: Opener
) -> None:
    debit, fay, gil = unclear(scene, stack), staff("finance"), staff("finance")
    window = open_window(fay)
    page = window.go("/admin/")
    counted = Counted(window)
    counted.click(page.get_by_role("link", name="Unclear or due").first)
    counted.click(page.get_by_role("link", name=debit.order.order_number))
    page.get_by_label("What is true").select_option("DID_NOT")
    page.get_by_label("Evidence").fill("Not in their statement of today.")
    counted.click(page.get_by_role("button", name="Propose this"))
    expect(page.get_by_role("main")).to_contain_text("A second person must decide")
    assert (counted.clicks, counted.loads) == (3, 3)

    window = open_window(gil)
    page = window.go("/admin/")
    counted = Counted(window)
    counted.click(page.get_by_role("main").get_by_role("link", name=debit.order.order_number).first)
    expect(page.get_by_role("main")).to_contain_text("Not in their statement of today.")
    counted.click(page.get_by_role("button", name="Confirm it"))
    expect(page.get_by_role("main")).to_contain_text("The order goes on.")
    assert (counted.clicks, counted.loads) == (2, 2)
    there = reverse("admin:redemption_redemptionorder_change", args=[debit.order_id])
    expect(window.go(there).get_by_role("main")).to_contain_text(f"proposed by {fay}")
