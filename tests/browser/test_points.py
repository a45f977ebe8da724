"""The points in a browser: why the balance is lower, the statement, receipts, and what is taken along."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.scene import Scene
from tests.browser.window import Window

pytestmark = pytest.mark.browser
Opener = Callable[..., Window]


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
