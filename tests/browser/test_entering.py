"""What somebody enters while an answer is under way stands in the page that the answer makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, Route, expect

from redemption.models import CartLine
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.redemption.factories import fill_cart
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]


@contextmanager
def held(page: Page, pattern: str | re.Pattern[str]) -> Iterator[None]:
    """Hold the answers to requests of `pattern` until the end of the block."""
    routes: list[Route] = []
    page.route(pattern, routes.append)
    yield
    page.unroute(pattern)
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
        page.keyboard.type("da@home.example")
        page.keyboard.press("Home")

    expect(page.locator("#id_address_line1")).to_have_count(0)
    expect(name).to_have_value("Ada Byrn")
    expect(email).to_be_focused()
    page.keyboard.type("a")
    expect(email).to_have_value("ada@home.example")

    # Who changes their mind at once gets the fields that belong to it.
    with held(page, "**/checkout/recipient/"):
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

    expect(rows).to_have_count(2)
    expect(first.get_by_label("Pieces")).to_have_value("2")
    expect(second.get_by_label("Name")).to_be_focused()
    page.keyboard.type("per")
    expect(second.get_by_label("Name")).to_have_value("Grace Hopper")
    expect(page.locator("[data-shared]")).to_have_text("3")


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

    lines = CartLine.objects.filter(cart__seat=seat).order_by("quantity")
    eventually(lambda: list(lines.values_list("quantity", flat=True)) == [3, 4], "both are kept")
    expect(page.locator(f"#quantity-{scene.book.pk}")).to_have_value("3")
    expect(page.locator(f"#quantity-{scene.card.pk}")).to_have_value("4")


def test_a_search_finds_what_was_typed_last(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/orders/")
    field = page.locator("#order-search")
    with held(page, re.compile(r"/orders/\?.*q=zep")):
        with page.expect_request(re.compile(r"/orders/\?.*q=zep")):
            field.press_sequentially("zep")
        field.press_sequentially("pelin")

    expect(page).to_have_url(re.compile("q=zeppelin"))
    expect(field).to_have_value("zeppelin")
    expect(field).to_be_focused()
