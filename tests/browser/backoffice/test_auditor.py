"""The auditor answers two questions in at most three clicks, on pages that are for everybody."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from catalog.models import Product
from fulfillment.models import Fulfillment
from fulfillment.services import reveal_codes
from loyalty_portal.data.actor import Actor
from tests.browser.scene import Scene
from tests.browser.window import Window
from tests.support.staff import staff

pytestmark = pytest.mark.browser
MOST_CLICKS = 3


class Clicks:
    """Counts clicks. Pressing Enter in a field counts as one."""

    def __init__(self) -> None:
        self.made = 0

    def click(self, there: Locator) -> None:
        self.made += 1
        there.click()

    def press_enter(self, there: Locator) -> None:
        self.made += 1
        there.press("Enter")


def test_the_auditor_answers_both_questions_in_three_clicks_on_pages_for_everybody(
    scene: Scene, open_window: Callable[..., Window]
) -> None:
    book = Product.objects.get(name="The Lighthouse Ledger")
    before = book.points_cost
    Product.objects.filter(pk=book.pk).update(points_cost=before + 7)
    parcel = Fulfillment.objects.filter(codes__isnull=False).first()
    assert parcel
    reveal_codes(fulfillment=parcel, by=Actor.person(scene.clerk))

    window = open_window(staff("auditor"))
    page, menu = window.go("/admin/"), window.page.get_by_role("navigation").first
    price = Clicks()
    price.click(menu.get_by_role("link", name="Products"))
    price.click(page.get_by_role("link", name=book.name).first)
    price.click(page.locator("a[href*='/history/']").first)
    expect(page.locator(".audit-diff ins", has_text=str(before + 7))).to_be_visible()
    expect(page.locator(".audit-diff del", has_text=str(before))).to_be_visible()
    assert price.made <= MOST_CLICKS

    window.go("/admin/")
    code = Clicks()
    code.click(menu.get_by_role("link", name="Trail"))
    search = page.locator("#changelist-search input[name=q]")
    search.fill(parcel.label)
    code.press_enter(search)
    row = page.locator("#result_list tr", has_text="Code seen").first
    expect(row).to_contain_text(str(scene.clerk))
    assert code.made <= MOST_CLICKS

    product = f"/admin/audit/trailentry/changes/?of=catalog.product&key={book.pk}"
    paths = ("/admin/audit/trailentry/", "/admin/audit/trailentry/changes/", product)
    assert window.finds_for_everybody(paths) == []
