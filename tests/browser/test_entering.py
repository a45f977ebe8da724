"""What somebody enters while an answer is under way stands in the page that the answer makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Response, Route, expect

from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.redemption.factories import fill_cart

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]


@contextmanager
def held(page: Page, pattern: str) -> Iterator[None]:
    """Hold requests of `pattern` until the end of the block."""
    routes: list[Route] = []
    is_over = False

    def hold(route: Route) -> None:
        if is_over:
            route.continue_()
        else:
            routes.append(route)

    page.route(pattern, hold)
    yield
    is_over = True
    for route in routes:
        route.continue_()


def test_what_is_typed_while_the_checkout_form_changes_stays(
    scene: Scene, open_window: Opener
) -> None:
    seat = scene.new_seat("buyer")
    fill_cart(seat, (scene.book, 1))
    page = open_window(seat).go("/checkout/")
    asks = page.get_by_label("Let them tell us where to send it")
    name, email = page.get_by_label("Name"), page.get_by_label("E-mail")
    name.fill("Ad")
    with held(page, "**/checkout/recipient/"):
        with page.expect_request("**/checkout/recipient/"):
            asks.check()
        name.focus()
        page.keyboard.press("End")
        page.keyboard.type("a Byrn")
        page.keyboard.press("Tab")
        page.keyboard.type("ada@home.exampl")

    expect(page.locator("#id_address_line1")).to_have_count(0)
    expect(name).to_have_value("Ada Byrn")
    expect(email).to_be_focused()
    page.keyboard.type("e")
    expect(email).to_have_value("ada@home.example")

    # Who changes their mind at once gets the fields that belong to it.
    def is_asked(response: Response) -> bool:
        return "asks=" in (response.request.post_data or "")

    with page.expect_response(is_asked), held(page, "**/checkout/recipient/"):
        with page.expect_request("**/checkout/recipient/"):
            asks.uncheck()
        asks.check()
    expect(page.locator("#id_address_line1")).to_have_count(0)
    expect(asks).to_be_checked()

    # An address that is chosen takes the place of what was typed before.
    page.get_by_label("Address book").select_option(index=2)
    expect(name).not_to_have_value("Ada Byrn")


def test_what_is_typed_while_a_person_is_added_stays(scene: Scene, open_window: Opener) -> None:
    seat = scene.new_seat("buyer")
    fill_cart(seat, (scene.card, 3))
    page = open_window(seat).go(f"/cart/{scene.card.pk}/people/")
    rows = page.locator("[data-person]")
    first, second = rows.nth(0), rows.nth(1)
    first.get_by_label("Name").fill("Ada Byron")
    with held(page, "**/people/"):
        with page.expect_request("**/people/"):
            page.get_by_role("button", name="Add a person").click()
        first.get_by_label("Pieces").fill("2")
        second.get_by_label("Name").fill("Grace Hop")

    expect(rows).to_have_count(4)
    expect(first.get_by_label("Pieces")).to_have_value("2")
    expect(second.get_by_label("Name")).to_be_focused()
    page.keyboard.type("per")
    expect(second.get_by_label("Name")).to_have_value("Grace Hopper")
    expect(page.locator("[data-shared]")).to_have_text("3")


def test_what_is_typed_while_pasted_rows_are_read_stays(scene: Scene, open_window: Opener) -> None:
    seat = scene.new_seat("buyer")
    fill_cart(seat, (scene.card, 5))
    page = open_window(seat).go(f"/cart/{scene.card.pk}/people/")
    rows, pasted = page.locator("[data-person]"), page.get_by_label("Rows of your table")
    page.get_by_text("Paste from a spreadsheet").click()
    pasted.fill("Ada Byron\tada@home.example\nAlan Turing\talan@home.example")
    with held(page, "**/people/"):
        with page.expect_request("**/people/"):
            page.get_by_role("button", name="Read these rows").click()
        pasted.fill("Emmy Noether\temmy@home.example")  # the next table
        rows.nth(1).get_by_label("Name").fill("Grace Hop")

    grace = page.locator("[data-person]:has(input:focus)")
    expect(rows.nth(0).get_by_label("Name")).to_have_value("Ada Byron")
    expect(grace.get_by_label("Name")).to_have_value("Grace Hop")
    page.keyboard.type("per")
    page.keyboard.press("Tab")
    page.keyboard.type("grace@home.example")
    expect(page.locator("[data-shared]")).to_have_text("3")
    expect(pasted).to_have_value("Emmy Noether\temmy@home.example")
    expect(pasted).to_be_visible()

    # Saving first reads what was pasted, and leaves the rows to be looked at.
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main")).to_contain_text("1 row is read.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("main")).to_contain_text("For 4 people")


def test_what_is_chosen_and_written_for_all_stays_when_a_person_is_added(
    scene: Scene, open_window: Opener
) -> None:
    fill_cart(scene.buyer, (scene.card, 2))
    page = open_window(scene.buyer).go(f"/cart/{scene.card.pk}/people/")
    page.get_by_text("One message or day for all").click()
    words = page.get_by_label("Message to all of them")
    words.fill("Thank you")
    page.get_by_text("From the address book").click()
    with held(page, "**/people/"):
        with page.expect_request("**/people/"):
            page.get_by_role("button", name="Add a person").click()
        page.get_by_role("group", name="Address book").get_by_role("checkbox").first.check()

    expect(page.locator("[data-person]")).to_have_count(4)
    expect(words).to_have_value("Thank you")
    expect(words).to_be_visible()
    book = page.get_by_role("group", name="Address book").get_by_role("checkbox")
    expect(book.first).to_be_checked()
    expect(book.first).to_be_focused()


def test_a_reason_for_one_order_does_not_come_to_another(scene: Scene, open_window: Opener) -> None:
    company = scene.new_company(points=100_000, approval_threshold=1_000)
    buyer, approver = (scene.new_seat(role, company) for role in ("buyer", "approver"))
    for pieces in (1, 2):
        scene.place((scene.card, pieces), seat=buyer)
    page = open_window(approver).go("/approvals/")
    panel = page.locator("#panel")
    panel.get_by_text("Do not approve").first.click()
    with held(page, "**/approvals/?order=*"):
        with page.expect_request("**/approvals/?order=*"):
            page.get_by_role("link", name="2 × ").click()
        panel.get_by_label("Why? The buyer reads it.").fill("Not this one")

    expect(panel).to_contain_text("Approve 3,000 points")
    panel.get_by_text("Do not approve").first.click()
    expect(panel.get_by_label("Why? The buyer reads it.")).to_have_value("")


def test_quantities_that_are_changed_in_quick_succession_all_count(
    scene: Scene, open_window: Opener
) -> None:
    seat = scene.new_seat("buyer")
    fill_cart(seat, (scene.book, 1), (scene.card, 1))
    page = open_window(seat).go("/cart/")
    more = page.locator(f"#more-{scene.book.pk}")
    with held(page, "**/change/"):
        with page.expect_request("**/change/"):
            more.click()
        more.click()
        page.locator(f"#quantity-{scene.card.pk}").fill("4")
        page.keyboard.press("Tab")

    # the sum that the portal tells, once both have reached it
    expect(page.get_by_label("Total", exact=True)).to_contain_text("10,470")
    expect(page.locator(f"#quantity-{scene.book.pk}")).to_have_value("3")
    expect(page.locator(f"#quantity-{scene.card.pk}")).to_have_value("4")
