"""The catalogue in a browser: the sheet of filters, options, what is kept, and what is gone."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import AccountManager
from catalog.models import Favourite, Product, StockWish
from tests.browser.scene import Scene
from tests.browser.window import CONTRAST, STRICT, Window

pytestmark = pytest.mark.browser
Opener = Callable[..., Window]


def a_buyer(scene: Scene, tier: str = "GOLD") -> AccountManager:
    """A buyer with a company and a balance of their own."""
    return scene.new_seat("buyer", scene.new_company(points=100_000, tier=tier))


def sheet(page: Page) -> None:
    page.locator("summary", has_text="Filters").click()


@pytest.mark.parametrize("width", [320, 390, 800])
def test_the_filters_are_a_sheet_from_below(scene: Scene, open_window: Opener, width: int) -> None:
    window = open_window(scene.buyer, width=width)
    page = window.go("/catalog/")
    show = page.get_by_role("button", name=re.compile("^Show .* products"))
    expect(show).to_be_hidden()
    sheet(page)
    expect(show).to_have_text("Show 13 products")
    page.get_by_label("Gift cards").check()
    expect(show).to_have_text("Show 5 products")
    page.get_by_label("Cities").check()
    expect(show).not_to_have_text("Show 5 products")
    expect(page.get_by_label("Gift cards")).to_be_checked()
    expect(page.get_by_label("Cities")).to_be_focused()
    assert window.sideways() <= 0
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert window.axe_finds(STRICT if scheme == "light" else CONTRAST) == []
    said = show.inner_text().removeprefix("Show ")
    show.click()
    expect(show).to_be_hidden()
    expect(page.locator("#results .head p").first).to_have_text(said)


def test_the_sheet_closes_by_key_and_by_a_press_beside_it(
    scene: Scene, open_window: Opener
) -> None:
    page = open_window(scene.buyer, width=390).go("/catalog/")
    show = page.get_by_role("button", name="Show 13 products")
    sheet(page)
    page.get_by_label("Gift cards").focus()
    page.keyboard.press("Escape")
    expect(show).to_be_hidden()
    expect(page.locator("summary", has_text="Filters")).to_be_focused()
    sheet(page)
    expect(show).to_be_visible()
    page.mouse.click(195, 20)
    expect(show).to_be_hidden()
    assert page.url.endswith("/catalog/")


def test_the_sheet_works_without_javascript(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer, width=390, javascript=False).go("/catalog/")
    sheet(page)
    page.get_by_label("Gift cards").check()
    page.get_by_label("Cities").check()
    page.get_by_role("button", name="Show results").click()
    assert page.url.count("category=") == 2
    chips = page.get_by_role("list", name="Filters that are on").get_by_role("listitem")
    expect(chips).to_have_count(2)
    sheet(page)
    page.mouse.click(195, 20)  # beside it
    expect(page.get_by_role("button", name="Show results")).to_be_hidden()


@pytest.mark.parametrize("javascript", [True, False])
def test_on_a_phone_the_button_to_buy_stays_in_sight(
    scene: Scene, open_window: Opener, javascript: bool
) -> None:
    window = open_window(a_buyer(scene), width=390, height=700, javascript=javascript)
    page = window.go(scene.path("{book}"))
    button = page.get_by_role("button", name="Add to cart")
    expect(button).to_be_in_viewport(ratio=1)
    button.click()
    page.wait_for_url("**/cart/")


@pytest.mark.parametrize("javascript", [True, False])
def test_no_value_is_chosen_for_whoever_comes_from_the_list(
    scene: Scene, open_window: Opener, javascript: bool
) -> None:
    page = open_window(scene.buyer, javascript=javascript).go("/catalog/")
    name = scene.family.family.name if scene.family.family else ""
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_text("Choose first:")).to_be_visible()
    expect(page.get_by_role("button", name="Add to cart")).to_have_count(0)
    expect(page.locator("#options [aria-current]")).to_have_count(0)
    page.locator("#options a").first.click()
    expect(page.locator("#options [aria-current]")).to_have_count(1)
    expect(page.get_by_role("button", name="Add to cart").first).to_be_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_favourite_by_keyboard_alone(scene: Scene, open_window: Opener, javascript: bool) -> None:
    seat = a_buyer(scene)
    page = open_window(seat, javascript=javascript).go(scene.path("{book}"))
    button = page.get_by_role("button", name="Favourite")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "true")
    if javascript:
        expect(button).to_be_focused()
        expect(page.locator("#live")).to_contain_text("one of your favourites now")
    page.goto("/catalog/yours/favourites/")
    expect(page.get_by_role("link", name=scene.book.name)).to_be_visible()
    page.get_by_role("button", name=re.compile("^Take out")).click()
    expect(page.get_by_text("No favourites yet")).to_be_visible()
    assert not Favourite.objects.filter(seat=seat).exists()


def test_two_of_the_favourites_stand_side_by_side(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer, javascript=False).go("/catalog/yours/favourites/")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare the chosen ones").click()
    expect(page.get_by_role("columnheader")).to_have_count(2)
    page.get_by_role("link", name=re.compile("^Take out")).first.click()
    expect(page.get_by_role("columnheader")).to_have_count(1)


@pytest.mark.parametrize("javascript", [True, False])
def test_what_is_gone_is_no_dead_end(scene: Scene, open_window: Opener, javascript: bool) -> None:
    seat = a_buyer(scene, "PLATINUM")
    gone = scene.product(stocked=0)
    Product.objects.filter(pk=gone.pk).update(
        minimum_tier="PLATINUM", stock_status="OUT", category=scene.book.category
    )
    window = open_window(seat, width=390, javascript=javascript)
    page = window.go(gone.get_absolute_url())
    expect(page.get_by_role("heading", name="In stock instead")).to_be_visible()
    page.get_by_role("button", name="Tell me when it is back").click()
    expect(page.get_by_text("We write to you once it is in stock again.")).to_be_visible()
    assert StockWish.objects.filter(seat=seat, product=gone, told_at=None).count() == 1
    assert window.sideways() <= 0
    if javascript:
        assert window.axe_finds(STRICT) == []
        page.emulate_media(color_scheme="dark")
        assert window.axe_finds(CONTRAST) == []
    page.get_by_role("button", name="Do not write").click()
    expect(page.get_by_role("button", name="Tell me when it is back")).to_be_visible()
    assert not StockWish.objects.filter(seat=seat).exists()
