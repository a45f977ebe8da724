"""Every page in a browser: wide, narrow, light, dark, by keyboard, without JavaScript."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Response, expect

from accounts.models import User
from redemption.models import CartLine, OrderItem, RedemptionOrder
from tests.accounts.factories import PASSWORD
from tests.browser.scene import Scene
from tests.browser.window import (
    CONTRAST,
    NARROW,
    OTHER_LOOKS,
    STRICT,
    WIDE,
    Window,
    fill_in_recipient,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.browser

# The user (an attribute of the scene) and the path of each page.
PAGES = {
    "sign in": ("", "/accounts/login/"),
    "forgotten password": ("", "/accounts/password/reset/"),
    "password": ("buyer", "/accounts/password/change/"),
    "profile": ("buyer", "/profile/"),
    "second step": ("buyer", "/accounts/2fa/"),
    "home": ("buyer", "/"),
    "home of an approver": ("approver", "/"),
    "catalogue": ("buyer", "/catalog/"),
    "catalogue, narrowed": ("buyer", "/catalog/?q=book&type=PHYSICAL&min=1000"),
    "catalogue, nothing found": ("buyer", "/catalog/?q=zeppelin"),
    "book": ("buyer", "{book}"),
    "card with values": ("buyer", "{family}"),
    "card with values, none chosen": ("buyer", "{family}?choose=1"),
    "book for a viewer": ("viewer", "{book}"),
    "favourites": ("buyer", "/catalog/yours/favourites/"),
    "no favourites": ("poor", "/catalog/yours/favourites/"),
    "recently seen": ("buyer", "/catalog/yours/seen/"),
    "side by side": ("buyer", "/catalog/yours/compare/?p={book_slug}&p={card_slug}"),
    "shared lists": ("buyer", "/catalog/yours/lists/"),
    "no shared lists": ("poor", "/catalog/yours/lists/"),
    "a shared list": ("buyer", "/catalog/yours/lists/{list}/"),
    "a shared list for a viewer": ("viewer", "/catalog/yours/lists/{list}/"),
    "put on a list": ("buyer", "/catalog/yours/lists/put-on/?p={book_slug}"),
    "empty cart": ("poor", "/cart/"),
    "cart": ("approver", "/cart/"),
    "who gets it": ("approver", "/cart/{card_key}/people/"),
    "checkout": ("approver", "/checkout/"),
    "many orders at once": ("buyer", "/bulk/"),
    "order, waiting": ("approver", "/orders/{waiting}/"),
    "order, queued": ("buyer", "/orders/{queued}/"),
    "order, shipped in part": ("buyer", "/orders/{shipped}/"),
    "order, delivered": ("buyer", "/orders/{delivered}/"),
    "order, cancelled": ("buyer", "/orders/{cancelled}/"),
    "order, declined": ("poor", "/orders/{declined}/"),
    "orders": ("buyer", "/orders/"),
    "no orders found": ("buyer", "/orders/?q=zeppelin"),
    "points": ("buyer", "/points/"),
    "points of other days": ("buyer", "/points/?time=own&since=2026-01-02&until=2025-01-01"),
    "receipt": ("buyer", "/orders/{delivered}/receipt/"),
    "sums of the orders": ("buyer", "/orders/sums/"),
    "approvals": ("approver", "/approvals/"),
    "approvals, decided": ("approver", "/approvals/decided/"),
    "approvals, away": ("approver", "/approvals/away/"),
    "nothing to approve": ("poor", "/approvals/"),
    "people": ("poor", "/people/"),
    "people for a buyer": ("buyer", "/people/"),
    "a member": ("poor", "/people/{poor}/"),
    "company": ("poor", "/company/"),
    "company for a buyer": ("buyer", "/company/"),
    "address book": ("buyer", "/company/addresses/"),
    "add an address": ("buyer", "/company/addresses/new/"),
    "import addresses": ("buyer", "/company/addresses/import/"),
    "merge addresses": ("buyer", "/company/addresses/duplicates/"),
    "not found": ("buyer", "/nothing/here/"),
    "another company's order": ("poor", "/orders/{queued}/"),
    "not for this role": ("viewer", "/checkout/"),
}
# A page of each kind: axe looks at these in `make test`, and at all in `make test-long`.
KINDS = {
    *("sign in", "second step", "home", "catalogue", "book", "side by side", "a shared list"),
    *(
        "cart",
        "who gets it",
        "checkout",
        "many orders at once",
        "order, queued",
        "orders",
        "points",
    ),
    *("receipt", "approvals", "people", "a member", "company", "add an address", "not found"),
}
WIDTHS = (320, 390, 1280, 1920)
MOST_WEIGHT = 60 * 1024  # bytes of CSS and JavaScript, compressed
SHIFT = """() => new Promise((resolve) => {
  let total = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) total += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => resolve(total)));
})"""
IMAGES = """(images) => images.map((image) => ({
  source: image.getAttribute("src"),
  sized: image.hasAttribute("width") && image.hasAttribute("height"),
  lazy: image.loading === "lazy",
  below: image.getBoundingClientRect().top > 1.5 * innerHeight,
  broken: image.complete && image.naturalWidth === 0,
}))"""
FOCUS = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const box = element.getBoundingClientRect();
  const rings = [getComputedStyle(element), getComputedStyle(element, "::after")];
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const top = document.elementFromPoint(x, y);
  const name = element.getAttribute("aria-label") || element.labels?.[0]?.textContent || element.textContent;
  return {
    name: name.trim().replace(/\\s+/g, " "),
    html: element.outerHTML.slice(0, 120),
    ringed: rings.some((style) => style.outlineStyle !== "none" || style.boxShadow !== "none"),
    covered: !(top && (element.contains(top) || top.contains(element) || top.closest("label")?.control === element)),
  };
}"""

Opener = Callable[..., Window]


@pytest.mark.parametrize("name", PAGES)
def test_page_holds_at_every_width(scene: Scene, open_window: Opener, name: str) -> None:
    """The window itself checks for console messages and requests to other hosts."""
    who, path = PAGES[name]
    window = open_window(getattr(scene, who) if who else None)
    page = window.go(scene.path(path))
    expect(page.get_by_role("heading", level=1)).to_have_count(1)

    assert weight(window.loaded) <= MOST_WEIGHT
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert window.sideways() <= 0, f"{name} can be scrolled sideways at {width}"
    if name in KINDS:
        assert window.finds_in([WIDE], STRICT) == []


@pytest.mark.long
@pytest.mark.parametrize("name", PAGES)
def test_page_holds_in_its_other_looks(scene: Scene, open_window: Opener, name: str) -> None:
    """Narrow and dark, or wide; and the colours dark when it is wide, and light when it is narrow."""
    who, path = PAGES[name]
    window = open_window(getattr(scene, who) if who else None)
    window.go(scene.path(path))
    looks = [NARROW] if name in KINDS else [WIDE, NARROW]
    assert window.finds_in(looks, STRICT) == []
    assert window.finds_in(OTHER_LOOKS, CONTRAST) == []


def test_the_longer_words_of_german_fit_into_every_page(scene: Scene, open_window: Opener) -> None:
    windows: dict[str, Window] = {}
    User.objects.update(language="de")
    try:
        for name, (who, path) in PAGES.items():
            if who not in windows:
                windows[who] = open_window(getattr(scene, who) if who else None, width=320)
            window = windows[who]
            page = window.go(scene.path(path))
            if not who and name == "sign in":
                page.get_by_role("button", name="Deutsch").click()
            assert page.evaluate("document.documentElement.lang") == "de"
            assert window.sideways() <= 0, f"{name} can be scrolled sideways in German"
    finally:
        User.objects.update(language="")


def test_a_page_that_misbehaves_is_noticed(scene: Scene, open_window: Opener) -> None:
    """The negative control of all checks of pages here."""
    window = open_window(scene.buyer)
    page = window.go("/")
    page.evaluate("""() => {
      const picture = new Image();
      picture.src = "https://elsewhere.example/pixel.png";
      const wide = document.createElement("p");
      wide.style.minWidth = "3000px";
      wide.textContent = "wide";
      document.querySelector("main").append(picture, wide);
    }""")
    expect(page.locator("main > img")).to_have_count(1)

    assert any("image-alt" in finding for finding in window.axe_finds())
    assert window.sideways() > 1000
    assert any("elsewhere.example" in complaint for complaint in window.complaints)
    window.complaints.clear()


def weight(loaded: list[Response]) -> int:
    parts = [one for one in loaded if one.request.resource_type in {"stylesheet", "script"}]
    assert parts
    return sum(len(gzip.compress(part.body())) for part in parts)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", ["/", "/catalog/", "{book}", "/orders/{delivered}/"])
def test_pictures_have_their_place_before_they_come(
    scene: Scene, open_window: Opener, path: str, width: int
) -> None:
    window = open_window(scene.buyer, width=width)
    page = window.go(scene.path(path))
    page.wait_for_load_state("networkidle")
    page.reload()  # the balance is fresh now and does not change any more
    page.wait_for_load_state("networkidle")

    pictures = page.locator("img").evaluate_all(IMAGES)
    assert pictures
    assert [one for one in pictures if not one["sized"] or one["broken"]] == []
    assert [one for one in pictures if one["below"] and not one["lazy"]] == []
    assert page.evaluate(SHIFT) < 0.02


ACTIONS = {
    "/": ("buyer", ["Skip to content", "Search the catalogue", "All orders"]),
    "/catalog/": ("buyer", ["Search the catalogue", "Sort", "The Lighthouse Ledger"]),
    "{book}": ("buyer", ["One fewer", "Quantity", "One more", "Add to cart"]),
    "/catalog/yours/favourites/": ("buyer", ["Compare The Lighthouse", "Take out", "Add to cart"]),
    "/catalog/yours/lists/{list}/": ("buyer", ["Compare the chosen ones", "Name", "Delete this"]),
    "/cart/": ("approver", ["One more", "Take out The Lighthouse Ledger", "Go to checkout"]),
    "/checkout/": ("approver", ["Name", "Postcode", "Redeem 2,990 points"]),
    "/orders/{queued}/": ("buyer", ["Cancel this order", "Show the code"]),
    "/approvals/": (
        "approver",
        ["Choose order", "Approve the chosen ones", "Approve 45,000 points"],
    ),
    "/people/": ("poor", ["E-mail", "Role", "Send the invitation"]),
    "/people/{poor}/": ("poor", ["Change the role", "Switch off"]),
    "/company/": ("poor", ["Approval threshold", "Save: Points", "Time zone", "And to this"]),
    "/company/addresses/": ("buyer", ["Add an address", "CSV", "Remove Ada Byron"]),
}


@pytest.mark.parametrize("width", [390, pytest.param(1280, marks=pytest.mark.long)])
@pytest.mark.parametrize("path", ACTIONS)
def test_keyboard_reaches_what_there_is_to_do(
    scene: Scene, open_window: Opener, path: str, width: int
) -> None:
    """The focused element has a visible ring and is not hidden by the bar of a phone."""
    who, actions = ACTIONS[path]
    if "{queued}" in path:
        scene.queue_again()
    window = open_window(getattr(scene, who), width=width)
    page = window.go(scene.path(path))
    page.wait_for_load_state("networkidle")  # what comes after the page has come
    stops = list(tab_through(page))

    names = [stop["name"] for stop in stops]
    assert names[0] == "Skip to content"
    missing = [
        action for action in actions if not any(str(name).startswith(action) for name in names)
    ]
    assert not missing, f"{missing} not among {names}"
    assert [stop for stop in stops if not stop["ringed"] or stop["covered"]] == []


def tab_through(page: Page) -> list[dict[str, object]]:
    stops: list[dict[str, object]] = []
    for _press in range(100):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop is None:
            return stops
        stops.append(stop)
    raise AssertionError("the focus does not come to an end")


def test_menu_of_the_person_by_keyboard(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/")
    menu = page.locator("summary", has_text=scene.company.name)
    menu.focus()
    page.keyboard.press("Enter")
    sign_out = page.get_by_role("button", name="Sign out")
    expect(sign_out).to_be_visible()

    page.keyboard.press("Escape")

    expect(sign_out).to_be_hidden()
    expect(menu).to_be_focused()


def test_everything_works_without_javascript(scene: Scene, open_window: Opener) -> None:
    """Sign in, search, add to the cart, change it, check out, follow the order, and cancel."""
    seat = scene.new_seat("buyer")
    seat.user.set_password(PASSWORD)
    seat.user.save()
    page = open_window(javascript=False).go("/")
    page.get_by_label("E-mail").fill(seat.user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    page.get_by_role("searchbox", name="Search the catalogue").fill("lighthouse")
    page.get_by_role("searchbox", name="Search the catalogue").press("Enter")
    page.get_by_role("link", name="The Lighthouse Ledger").click()
    page.get_by_label("Quantity").fill("3")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_role("status").first).to_contain_text("is in your cart")

    page.get_by_label("How many of The Lighthouse Ledger").fill("2")
    page.get_by_role("button", name="Update").click()
    expect(page.get_by_role("main")).to_contain_text("2,980 points")
    page.get_by_role("link", name="Go to checkout").click()
    fill_in_recipient(page)
    page.get_by_role("button", name="Redeem 2,980 points").click()

    expect(page).to_have_url(re.compile(r"/orders/R-[\w-]+/$"))
    expect(page.get_by_role("main")).to_contain_text("2 × The Lighthouse Ledger")
    # Without JavaScript the page does not update, so it shows what can be cancelled now.
    number = page.url.rstrip("/").rpartition("/")[2]
    eventually(
        lambda: RedemptionOrder.objects.get(order_number=number).status == "CONFIRMED", "confirmed"
    )
    page.reload()
    page.locator("summary", has_text="Cancel this order").click()
    page.get_by_label("Reason").fill("A test of the bare page")
    page.get_by_role("button", name="Yes, cancel it").click()
    expect(page.get_by_role("main")).to_contain_text("is cancelled")


WIDEN = """(number) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    texts.currentNode.data = texts.currentNode.data.replaceAll(number, "R-WWWWW-MWMWM");
  }
}"""


def test_the_widest_order_number_does_not_widen_a_small_page(
    scene: Scene, open_window: Opener
) -> None:
    window = open_window(scene.buyer, width=320)
    page = window.go(scene.path("/orders/{shipped}/"))
    page.evaluate(WIDEN, scene.order["shipped"])
    expect(page.locator("#order-number")).to_have_text("R-WWWWW-MWMWM")
    assert window.sideways() == 0


LENGTHEN = """(texts) => texts.filter((text) => !text.children.length).forEach((text) => {
  text.textContent = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen ".repeat(2);
})"""
# Pages that show names, addresses, notes and numbers typed by other people.
WORDS = """main :is(.head__text h1, .row h2, .row h2 a, .product h1, .card__name a, .lines__name, h3,
.tally dt, .lines .tag, .tally .tag, .timeline p, .lines .muted:not(.figure),
.facts dd:not(.ref, .figure), .crumbs a, .variants .chip,
.table--list b, .table:not(.table--list) :is(small, .ref))"""


@pytest.mark.parametrize(
    "name", ["home", "catalogue", "card with values", "cart", "checkout", "order, shipped in part",
             "order, delivered", "orders", "approvals", "approvals, decided"],
)  # fmt: skip
def test_long_words_do_not_widen_a_small_page(scene: Scene, open_window: Opener, name: str) -> None:
    who, path = PAGES[name]
    window = open_window(getattr(scene, who), width=320)
    page = window.go(scene.path(path))
    page.locator(WORDS).evaluate_all(LENGTHEN)
    assert window.sideways() <= 0


def test_errors_do_not_widen_a_small_page(scene: Scene, open_window: Opener) -> None:
    window = open_window(scene.approver, width=320)
    page = window.go("/checkout/")
    page.get_by_role("button", name="Redeem 2,990 points").click()
    expect(page.get_by_role("link", name="Enter the postcode")).to_be_visible()
    assert window.sideways() <= 0


# --- An order for several people ------------------------------------------------------------

PEOPLE = ("Ada Byron", "Grace Hopper", "Hedy Lamarr")
TABLE = "\n".join(f"{name}\t{name.split()[0].lower()}@n.example" for name in PEOPLE)


@pytest.fixture
def empty_cart(scene: Scene) -> None:
    CartLine.objects.filter(cart=scene.buyer.pk).delete()


def newest(scene: Scene) -> list[str]:
    """Who gets the lines of the seat's newest order."""
    order = RedemptionOrder.objects.filter(account_manager=scene.buyer).latest("created_at")
    return list(OrderItem.objects.filter(order=order).values_list("recipient_name", flat=True))


@pytest.mark.usefixtures("empty_cart")
def test_three_gift_cards_for_three_people_are_one_order_with_few_clicks(
    scene: Scene, open_window: Opener
) -> None:
    """At most 9 clicks beside the typing, from the product's page."""
    window = open_window(scene.buyer, width=390)
    page, clicks = window.go(scene.path("/catalog/")), 0

    def click(what: Locator) -> None:
        nonlocal clicks
        clicks += 1
        what.click()

    page.goto(scene.card.get_absolute_url())
    click(page.get_by_role("button", name="Add to cart"))
    if "/cart/" not in page.url:
        click(page.get_by_role("link", name="Cart").first)
    click(page.get_by_role("link", name="For several people"))
    click(page.get_by_text("Paste from a spreadsheet"))
    page.get_by_label("Rows of your table").fill(TABLE)
    click(page.get_by_role("button", name="Read these rows"))
    expect(page.get_by_text("3 rows are read.").first).to_be_visible()
    expect(page.locator("#live")).to_contain_text("3 rows are read.")
    assert window.sideways() <= 0
    assert window.axe_finds(STRICT) == []
    page.emulate_media(color_scheme="dark")
    assert window.axe_finds(CONTRAST) == []
    click(page.get_by_role("button", name="Save").last)
    click(page.get_by_role("link", name="Go to checkout"))
    page.get_by_text("What each of them gets").click()  # to look, which the order does not need
    expect(page.get_by_text("grace@n.example")).to_be_visible()
    assert window.sideways() <= 0
    assert window.axe_finds(STRICT) == []
    click(page.get_by_role("button", name="Redeem"))
    page.wait_for_url("**/orders/**")
    assert clicks <= 9, clicks
    assert sorted(newest(scene)) == sorted(PEOPLE)


def test_a_known_product_and_an_order_again_take_few_clicks_from_home(
    scene: Scene, open_window: Opener
) -> None:
    """At most 5 clicks beside the typing, and at most 3."""
    seat = scene.new_seat("buyer", scene.new_company(points=100_000))
    page, clicks = open_window(seat).go("/"), 0

    def click(role: Any, name: str) -> None:
        nonlocal clicks
        clicks += 1
        page.get_by_role(role, name=name).first.click()

    page.locator("#search").fill(scene.book.name)
    page.keyboard.press("Enter")
    click("link", scene.book.name)
    click("button", "Add to cart")
    click("link", "Go to checkout")
    fill_in_recipient(page)
    click("button", "Redeem")
    page.wait_for_url("**/orders/**")
    assert clicks <= 5, clicks

    order = scene.place((scene.card, 1), seat=seat)
    done = RedemptionOrder.objects.filter(pk=order.pk, status="COMPLETED")
    eventually(done.exists, "the card is delivered")
    clicks = 0
    page.goto("/")
    click("link", f"1 × {scene.card.name}")
    click("button", "Redeem again")
    click("button", "Redeem")  # for the same people, with the same reference
    page.wait_for_url(lambda url: "/orders/" in url and order.order_number not in url)
    assert clicks <= 3, clicks


@pytest.mark.usefixtures("empty_cart")
def test_the_keyboard_alone_redeems_for_three_people(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go(scene.card.get_absolute_url())
    activate(page, "Add to cart")
    if "/cart/" not in page.url:
        page.goto("/cart/")
    activate(page, "For several people")
    page.wait_for_url("**/people/")
    for number, name in enumerate(PEOPLE):
        if number:
            reach(page, "Add a person")
            page.keyboard.press("Enter")
        else:
            to_field(page, "0-recipient_name")
        expect(page.locator(f'[id="{number}-recipient_name"]')).to_be_focused()
        page.keyboard.type(name)
        to_field(page, f"{number}-recipient_email")
        page.keyboard.type(f"person{number}@n.example")
        expect(page.locator("[data-shared]")).to_have_text(str(number + 1))
    activate(page, "Save")
    activate(page, "Go to checkout")
    page.wait_for_url("**/checkout/")
    activate(page, "Redeem")
    page.wait_for_url("**/orders/**")
    assert sorted(newest(scene)) == sorted(PEOPLE)


@pytest.mark.usefixtures("empty_cart")
def test_three_people_are_ordered_for_without_javascript(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer, javascript=False).go(scene.card.get_absolute_url())
    page.get_by_role("button", name="Add to cart").click()
    page.goto("/cart/")
    page.get_by_role("link", name="For several people").click()
    page.get_by_text("Paste from a spreadsheet").click()
    page.get_by_label("Rows of your table").fill(f"{TABLE}\nNobody\tno address")
    page.get_by_role("button", name="Read these rows").click()
    expect(page.get_by_role("alert")).to_contain_text("Row 4, E-mail")
    page.get_by_role("button", name="Remove row 4").click()
    page.get_by_role("link", name="Cart", exact=True).first.click()
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_role("button", name="Redeem").click()
    page.wait_for_url("**/orders/**")
    assert sorted(newest(scene)) == sorted(PEOPLE)


WITH_FOCUS = """() => {
  const element = document.activeElement;
  return [element.id, element.tagName, (element.labels?.[0] || element).textContent.trim()];
}"""


def reach(page: Page, words: str) -> None:
    """Press Tab until the button or link whose text begins so has the focus."""
    for _stop in range(150):
        page.keyboard.press("Tab")
        _id, tag, text = page.evaluate(WITH_FOCUS)
        if tag in {"A", "BUTTON", "SUMMARY"} and text.startswith(words):
            return
    raise AssertionError(f"Tab never reached {words}")


def activate(page: Page, words: str) -> None:
    reach(page, words)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def to_field(page: Page, name: str) -> None:
    for _stop in range(150):
        if page.evaluate(WITH_FOCUS)[0] == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reached {name}")


# --- The points, the statement and receipts ------------------------------------------------------


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("javascript", [True, False])
def test_why_the_balance_is_lower_is_one_click_from_home(
    scene: Scene, open_window: Opener, width: int, *, javascript: bool
) -> None:
    page = open_window(scene.buyer, width=width, javascript=javascript).go("/")

    page.locator("#balance-link").click()

    expect(page.get_by_role("heading", name="Points", exact=True, level=1)).to_be_visible()
    expect(page.locator(".sum")).to_contain_text("at the loyalty system")
    expect(page.locator("table").last).to_contain_text(scene.order["delivered"])


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("javascript", [True, False])
def test_a_receipt_is_two_clicks_from_home(
    scene: Scene, open_window: Opener, width: int, *, javascript: bool
) -> None:
    scene.queue_again()  # home lists the newest orders of the company, and other tests place some
    page = open_window(scene.buyer, width=width, javascript=javascript).go("/")

    page.locator(f'a[href="/orders/{scene.order["queued"]}/"]').first.click()
    page.get_by_role("link", name="Receipt").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Receipt for order")
    expect(page.locator("main")).to_contain_text(scene.company.name)


def test_filters_swap_the_statement_as_a_reload_would(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/points/")
    page.wait_for_load_state("networkidle")
    kind = page.get_by_role("combobox", name="Kind")
    kind.focus()

    kind.select_option("CREDIT")

    expect(page.get_by_text("Balances are told for the whole statement")).to_be_visible()
    expect(page.get_by_role("combobox", name="Kind")).to_be_focused()
    assert "kind=CREDIT" in page.url
    swapped = page.locator("[aria-labelledby=statement-title] > table").inner_text()
    page.reload()
    assert page.locator("[aria-labelledby=statement-title] > table").inner_text() == swapped


def test_the_statement_and_the_orders_are_taken_along(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/points/")
    for form in ("CSV", "XLSX", "PDF"):
        with page.expect_download() as taken:
            page.get_by_role("link", name=f"Statement as {form}").click()
        assert taken.value.suggested_filename.endswith(f".{form.lower()}")
    page.goto("/orders/?status=done")
    page.get_by_role("link", name="Sums and export").click()
    with page.expect_download() as taken:
        page.get_by_role("link", name="Orders as XLSX").click()
    assert taken.value.suggested_filename.startswith("orders-")


def test_no_relative_time_is_printed(scene: Scene, open_window: Opener) -> None:
    page = open_window(scene.buyer).go("/points/")
    page.emulate_media(media="print")
    assert " ago" not in page.locator("main").inner_text()
    page.goto(f"/orders/{scene.order['delivered']}/receipt/")
    assert " ago" not in page.locator("main").inner_text()


# --- People, company and address book --------------------------------------------------------


@pytest.mark.parametrize(("width", "javascript"), [(1280, True), (390, False)])
def test_an_owner_invites_changes_a_rule_and_takes_the_invitation_back(
    scene: Scene, open_window: Opener, width: int, *, javascript: bool
) -> None:
    page = open_window(scene.poor, width=width, javascript=javascript).go("/people/")
    email = f"kim{width}@northwind.example"
    page.get_by_label("E-mail").fill("nobody")
    page.get_by_role("button", name="Send the invitation", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Enter a valid e-mail address")
    expect(page.get_by_label("E-mail")).to_have_value("nobody")
    page.get_by_label("E-mail").fill(email)
    page.get_by_role("button", name="Send the invitation", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text(f"{email} is invited.")
    page.get_by_role("button", name=f"Take the invitation of {email} back").click()
    expect(page.get_by_role("status").first).to_contain_text("is taken back")

    page.get_by_role("contentinfo").get_by_role("link", name="Company").click()
    page.get_by_label("Approval threshold, in points").fill("12.500")
    page.get_by_role("button", name="Save: Points").click()
    expect(page.get_by_role("main")).to_contain_text("Orders above 12,500 points need approval.")
    page.get_by_label("Approval threshold, in points").fill("")
    page.get_by_role("button", name="Save: Points").click()
    expect(page.get_by_role("main")).to_contain_text("No order needs approval.")


@pytest.mark.parametrize(("width", "javascript"), [(1280, True), (390, False)])
def test_a_table_of_addresses_is_corrected_where_it_is_wrong_and_kept(
    scene: Scene, open_window: Opener, width: int, *, javascript: bool
) -> None:
    window = open_window(scene.poor, width=width, javascript=javascript)
    page = window.go("/company/addresses/import/")
    name = f"Grace {width}"
    rows = f"Name\tAddress\tPostcode\tCity\tCountry\n{name}\tStreet 1\t1\tBerlin\tGermany"
    page.get_by_label("Rows of your table").fill(rows)
    page.get_by_role("button", name="Read these rows").click()
    expect(page.get_by_role("alert")).to_contain_text("Row 1, Postcode:")
    assert window.sideways() <= 0
    if javascript:  # axe is a script
        assert not window.axe_finds()
    page.get_by_role("link", name="Row 1, Postcode:").click()
    page.get_by_label("Postcode").fill("10115")
    page.get_by_role("button", name="Keep these addresses").click()
    expect(page.get_by_role("status").first).to_contain_text("1 address is kept.")
    expect(page.get_by_role("link", name=name)).to_be_visible()
