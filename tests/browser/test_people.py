"""An order for several people: pasted, typed, by keyboard alone and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from redemption.models import CartLine, OrderItem, RedemptionOrder
from tests.browser.scene import Scene
from tests.browser.window import CONTRAST, STRICT, Window

pytestmark = pytest.mark.browser

Opener = Callable[..., Window]
PEOPLE = ("Ada Byron", "Grace Hopper", "Hedy Lamarr")
TABLE = "\n".join(f"{name}\t{name.split()[0].lower()}@n.example" for name in PEOPLE)


@pytest.fixture(autouse=True)
def _empty_cart(scene: Scene) -> None:
    CartLine.objects.filter(cart=scene.buyer.pk).delete()


def newest(scene: Scene) -> list[str]:
    """Who gets the lines of the seat's newest order."""
    order = RedemptionOrder.objects.filter(account_manager=scene.buyer).latest("created_at")
    return list(OrderItem.objects.filter(order=order).values_list("recipient_name", flat=True))


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


FOCUSED = """() => {
  const element = document.activeElement;
  return [element.id, element.tagName, (element.labels?.[0] || element).textContent.trim()];
}"""


def reach(page: Page, words: str) -> None:
    """Press Tab until the button or link whose text begins so has the focus."""
    for _stop in range(150):
        page.keyboard.press("Tab")
        _id, tag, text = page.evaluate(FOCUSED)
        if tag in {"A", "BUTTON", "SUMMARY"} and text.startswith(words):
            return
    raise AssertionError(f"Tab never reached {words}")


def activate(page: Page, words: str) -> None:
    reach(page, words)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def to_field(page: Page, name: str) -> None:
    for _stop in range(150):
        if page.evaluate(FOCUSED)[0] == name:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never reached {name}")
