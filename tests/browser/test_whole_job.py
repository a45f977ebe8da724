"""The main job in real browsers, from importing a file to the delivery of both parcels.

It runs on our own catalogues and, if REAL_CATALOGUES names their folder, on real ones.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Role, User
from catalog.models import Product
from fulfillment.models import CodeReveal, Fulfillment
from redemption.models import OrderItem, RedemptionOrder
from tests.accounts.factories import PASSWORD
from tests.accounts.second_factor import code_of, with_app
from tests.browser.importing import BOOKS, CARDS, import_products
from tests.browser.scene import Scene
from tests.browser.window import Window, fill_in_recipient
from tests.redemption.factories import fill_cart
from tests.redemption.world import World
from tests.support.stack import Stack
from tests.support.staff import staff
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
REAL = os.environ.get("REAL_CATALOGUES", "")
COUNTS = re.compile(r"([\d,]+) (?:created|changed|unchanged)")
LINK = re.compile(r"https?://[^/\s]+(/for-you/[\w-]+/)")
NUMBER = re.compile(r"/orders/(R-[\w-]+)/$")


@dataclass(frozen=True)
class Catalogue:
    """Files, the numbers of products in them, and what is redeemed from them."""

    files: Sequence[Path]
    cards: int
    books: int
    card: str
    values: list[str]
    value: str
    card_points: str
    book: str
    book_points: str


OURS = Catalogue(
    files=(CARDS, BOOKS),
    cards=17,
    books=8,
    card="Harbour Coffee",  # with a free value from 5 to 200 euros
    values=["5 EUR", "10 EUR", "25 EUR", "50 EUR", "100 EUR"],
    value="50 EUR",
    card_points="5,000",
    book="Walking the Ring Line",
    book_points="1,990",
)
REAL_ONE = Catalogue(
    files=[
        Path(REAL) / "reloadly-gift-cards.json",
        *sorted(Path(REAL).glob("oscar-books.*.csv") if REAL else ()),
    ],
    cards=357,
    books=201,
    card="1-800-PetSupplies",
    values=["25 USD", "50 USD"],
    value="50 USD",
    card_points="5,000",
    book="Ghost in the Wires",
    book_points="1,099",
)


@pytest.mark.parametrize(
    "catalogue",
    [
        pytest.param(OURS, id="our-catalogues"),
        pytest.param(
            REAL_ONE,
            id="real-catalogues",
            marks=[
                pytest.mark.long,
                pytest.mark.skipif(
                    not REAL,
                    reason="REAL_CATALOGUES names no folder with other people's catalogues",
                ),
            ],
        ),
    ],
)
def test_gift_card_and_book_from_the_import_to_both_delivered(
    stack: Stack, open_window: Opener, catalogue: Catalogue
) -> None:
    # orders that other tests have set up are unknown to the partner
    before = stack.violations(at_rest=False)
    said = [import_products(stack, path) for path in catalogue.files]
    again = [import_products(stack, path) for path in catalogue.files[:2]]
    assert all(" 0 created," in one for one in again), again
    assert_imported(catalogue, said)

    stack.sandbox.dial(mode="accept", delay=1.5)
    world = World(stack.sandbox)
    buyer = open_window()
    sign_in(buyer.go("/"), with_password(world.seat.user))
    expect(buyer.page.locator("#balance")).to_contain_text("100,000")
    clerk = open_window()
    packer = with_app(with_password(staff("fulfillment")))
    sign_in(clerk.go("/admin/"), packer)
    clerk.page.get_by_label("Code").fill(code_of(packer))
    clerk.page.get_by_role("button", name="Sign in", exact=True).click()

    code, card_order = redeem_the_card(buyer.page, catalogue)
    book_order = redeem_the_book(buyer.page, clerk.page, catalogue)

    numbers = [card_order, book_order]
    for number in numbers:
        order = RedemptionOrder.objects.get(order_number=number)
        assert order.status == "COMPLETED"
        assert order.completed_at
        assert world.ledger(order) == (order.total_points, 0)
    assert CodeReveal.objects.filter(by=world.seat.user).count() == 1
    assert_letters(stack, card_order, ["is confirmed", "Delivered"], code)
    assert_letters(stack, book_order, ["is confirmed", "On its way", "Delivered"], code)
    spent = sum(RedemptionOrder.objects.get(order_number=n).total_points for n in numbers)
    buyer.go("/")
    expect(buyer.page.locator("#balance")).to_contain_text(f"{100_000 - spent:,}")
    assert [each for each in stack.violations(at_rest=False) if each not in before] == []


def assert_imported(catalogue: Catalogue, said: Sequence[str]) -> None:
    """Every row was imported, and a card with a free value became a family of round values."""
    brought = [sum(int(figure.replace(",", "")) for figure in COUNTS.findall(one)) for one in said]
    assert brought[0] == catalogue.cards
    assert sum(brought[1:]) == catalogue.books
    values = Product.objects.filter(family__name=catalogue.card)
    assert (
        list(values.order_by("points_cost").values_list("variant", flat=True)) == catalogue.values
    )


def with_password(user: User) -> User:
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(page: Page, user: User) -> None:
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def choose(page: Page, product: str) -> None:
    """Type a part of the product's name and open the product that is found."""
    page.get_by_role("link", name="Catalogue", exact=True).click()
    page.get_by_role("combobox", name="Search the catalogue").press_sequentially(product[:12])
    expect(page.locator("#results h1")).to_contain_text(product[:12])
    page.get_by_role("link", name=product, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(product)


def redeem(page: Page, points: str) -> str:
    """Check out what is in the cart. Returns the order's number."""
    page.get_by_role("button", name="Add to cart").click()
    page.get_by_role("link", name="Go to checkout").click()
    fill_in_recipient(page)
    page.get_by_label("Your reference").fill("Team day")
    page.get_by_role("button", name=f"Redeem {points} points").click()
    expect(page).to_have_url(NUMBER)
    page.evaluate("document.documentElement.dataset.stayed = 'yes'")
    found = NUMBER.search(page.url)
    assert found
    return found[1]


def never_loaded_again(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.dataset.stayed") == "yes")


def redeem_the_card(page: Page, catalogue: Catalogue) -> tuple[str, str]:
    """Redeem the card, which the partner delivers by webhook. Returns its code and order number."""
    choose(page, catalogue.card)
    page.get_by_role("link", name=catalogue.value, exact=True).click()
    number = redeem(page, catalogue.card_points)
    story = page.locator("#order")
    expect(story).to_contain_text(f"{catalogue.card_points} points taken from")
    expect(story).to_contain_text("Ordered from our partner")
    expect(story).to_contain_text("Delivered by e-mail")
    expect(story.locator("header")).to_contain_text("Completed")

    page.get_by_role("button", name="Show the code").click()
    code = page.locator(".secret code").first.inner_text()
    assert code
    assert never_loaded_again(page)
    page.reload()
    expect(story).to_contain_text("Grace Hopper looked at the codes")
    expect(story).not_to_contain_text(code)
    return code, number


def redeem_the_book(buyer: Page, clerk: Page, catalogue: Catalogue) -> str:
    """Redeem the book and let the desk claim, pack, ship and deliver it; the buyer sees
    each step.
    """
    choose(buyer, catalogue.book)
    number = redeem(buyer, catalogue.book_points)
    story = buyer.locator("#order")
    expect(story).to_contain_text("Our desk packs")

    clerk.get_by_role("link", name="Lines, one by one").first.click()
    clerk.get_by_role("link", name=number).click()
    clerk.get_by_role("button", name="Claim").click()
    expect(clerk.get_by_role("main")).to_contain_text("You work on it")
    clerk.get_by_role("button", name="Packed").click()
    expect(story).to_contain_text("Packed")
    clerk.get_by_label("Carrier").fill("Parcelly")
    clerk.get_by_label("Tracking number").fill("PL-2026-1122")
    clerk.get_by_role("button", name="Ship", exact=True).click()
    expect(story).to_contain_text("Sent with Parcelly")
    expect(story).to_contain_text("Tracking number PL-2026-1122")

    clerk.get_by_role("button", name="It has arrived").click()
    expect(clerk.get_by_role("main")).to_contain_text("Delivered")
    expect(story).to_contain_text("Arrived")
    expect(story.locator("header")).to_contain_text("Completed")
    assert never_loaded_again(buyer)
    return number


def assert_letters(stack: Stack, number: str, subjects: Sequence[str], code: str) -> None:
    """The letters came in this order, each once, as HTML and text, and none has the code."""
    letters = eventually(
        lambda: about if len(about := stack.mailbox.about(number)) >= len(subjects) else [],
        f"{len(subjects)} letters about {number}",
    )
    assert len(letters) == len(subjects)
    for letter, subject in zip(letters, subjects, strict=True):
        assert subject in letter["subject"]
        bodies = [letter.get_body((form,)) for form in ("plain", "html")]
        assert all(bodies), letter["subject"]
        assert code not in "".join(body.get_content() for body in bodies if body)


@pytest.mark.parametrize("javascript", [True, False])
def test_somebody_says_themselves_where_their_book_goes(
    stack: Stack, open_window: Opener, scene: Scene, javascript: bool
) -> None:
    """From the checkout to the desk's parcel, also without JavaScript and with the keyboard alone."""
    # a seat of its own: what one seat orders in a day counts together towards its approval
    seat = scene.new_seat(Role.BUYER)
    fill_cart(seat, (scene.book, 1))
    buyer = open_window(seat, javascript=javascript)
    page = buyer.go("/checkout/")
    page.get_by_label("Name").fill("Ada Byron")
    page.get_by_label("Let them tell us where to send it").check()
    if javascript:
        expect(page.locator("#id_address_line1")).to_have_count(0)
        expect(page.get_by_label("Let them tell us where to send it")).to_be_focused()
    address = f"ada{javascript}@home.example"
    page.get_by_label("E-mail").fill(address)
    page.get_by_role("button", name="Redeem").click()
    expect(page).to_have_url(NUMBER)
    order_page = urlsplit(page.url).path

    link = eventually(lambda: link_to(stack, address), "the letter with the link has come")
    recipient = open_window(width=390, javascript=javascript)
    theirs = recipient.go(link)
    expect(theirs.get_by_role("heading", level=1)).to_contain_text("has something for you")
    assert not recipient.axe_finds() if javascript else True
    assert recipient.sideways() == 0
    theirs.get_by_label("Address", exact=True).focus()
    theirs.keyboard.type("Invalidenstr. 43")
    for field, words in (("postcode", "10115"), ("city", "Berlin")):
        theirs.locator(f"#id_{field}").fill(words)
    theirs.get_by_role("button", name="Send it there").press("Enter")
    expect(theirs.get_by_role("main")).to_contain_text("Choose the country")
    theirs.locator("#id_country").select_option("DE")
    theirs.get_by_role("button", name="Send it there").press("Enter")
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert urlsplit(theirs.url).path == "/for-you/done/"
    expect(recipient.go(link).get_by_role("heading", level=1)).to_have_text("Already answered")

    page = buyer.go(order_page)
    expect(page.get_by_role("main")).to_contain_text("The desk alone sees the address.")
    expect(page.get_by_role("main")).to_contain_text("Berlin")
    expect(page.get_by_role("main")).not_to_contain_text("Invalidenstr")
    parcel = Fulfillment.objects.get(recipient_email=address)
    assert (parcel.address_line1, parcel.status) == ("Invalidenstr. 43", "QUEUED")


def test_the_pages_about_a_recipients_answer_are_for_everybody(
    stack: Stack, open_window: Opener, scene: Scene
) -> None:
    """What axe finds at both widths, in both schemes: the link's page, its end, and the order."""
    # a seat of its own: what one seat orders in a day counts together towards its approval
    seat = scene.new_seat(Role.BUYER)
    fill_cart(seat, (scene.book, 1))
    buyer = open_window(seat)
    page = buyer.go("/checkout/")
    page.get_by_label("Name").fill("Bo Byron")
    page.get_by_label("Let them tell us where to send it").check()
    expect(page.locator("#id_address_line1")).to_have_count(0)
    page.get_by_label("E-mail").fill("bo@home.example")
    page.get_by_role("button", name="Redeem").click()
    expect(page).to_have_url(NUMBER)
    order_page = urlsplit(page.url).path
    link = eventually(lambda: link_to(stack, "bo@home.example"), "the letter has come")
    stranger = open_window()
    ended = ["/for-you/done/", "/for-you/unknown-to-us/"]
    assert stranger.finds_for_everybody([link, *ended]) == []
    item = OrderItem.objects.get(recipient_email="bo@home.example")
    paths = [order_page, f"{order_page}lines/{item.pk}/recipient/"]
    assert buyer.finds_for_everybody(paths) == []
    page = buyer.go(order_page)
    page.get_by_text("Send another link, or give the address").click()
    page.get_by_label("E-mail address").fill("bo@work.example")
    page.get_by_role("button", name="Send a new link").click()
    expect(page.get_by_role("main")).to_contain_text("A new link goes to bo@work.example")
    newer = eventually(lambda: link_to(stack, "bo@work.example"), "the new letter has come")
    expect(stranger.go(link).get_by_role("heading", level=1)).to_have_text(
        "This link does not work"
    )
    expect(stranger.go(newer).get_by_role("heading", level=1)).to_contain_text("something for you")
    page.get_by_text("Send another link, or give the address").click()
    page.get_by_role("link", name="Give the address yourself").click()
    fill_in_recipient(page)
    page.get_by_role("button", name="Send it there").click()
    expect(page.get_by_role("main")).to_contain_text("It is sent there now")
    expect(page.get_by_role("main")).to_contain_text("Invalidenstr. 43")


def link_to(stack: Stack, address: str) -> str:
    """The path of the link in the newest letter to this address; "" while none has come."""
    letters = [each for each in list(stack.mailbox.letters) if each["To"] == address]
    body = letters[-1].get_body(("plain",)) if letters else None
    found = LINK.search(body.get_content()) if body else None
    return found[1] if found else ""
