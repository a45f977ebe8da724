"""Parts of pages that renew themselves: each is what a reload shows, and keeps the focus."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_urlsafe

import pytest
from playwright.sync_api import Locator, Page, expect

from loyalty_portal.data.actor import Actor
from redemption.checkout.bulk import services as bulks
from redemption.models import EventType, WebhookEndpoint
from redemption.webhooks_out.services import ping
from tests.browser.scene import Scene
from tests.browser.test_live import same_as_reloaded
from tests.browser.window import Window
from tests.support.stack import Stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.long]

Opener = Callable[..., Window]
ROWS = "\n".join(f"{{sku}};Gifts;Person {n};p{n}@home.example" for n in range(3))
MARK = "(element) => { element.dataset.before = 'yes'; element.focus(); }"


def renewed(page: Page, focused: Locator, renew: Callable[[], object]) -> None:
    """Focus an element, have its part renewed, and find another one in its place, focused."""
    focused.evaluate(MARK)
    renew()
    expect(page.locator("[data-before]")).to_have_count(0)
    expect(focused).to_be_focused()


def test_each_part_that_renews_itself_is_as_reloaded_and_keeps_the_focus(
    stack: Stack, scene: Scene, open_window: Opener
) -> None:
    owner = scene.new_seat("owner", scene.new_company(points=100_000))
    order = scene.place((scene.card, 1), (scene.book, 1), seat=owner)
    eventually(order.items.filter(fulfillment_status="DELIVERED").exists, "the code has come")
    page = open_window(owner).go("/")

    # home, when the balance has come
    link = page.locator("#home").get_by_role("link", name="The whole catalogue")
    renewed(page, link, lambda: page.evaluate("htmx.trigger(document.body, 'balance-changed')"))
    same_as_reloaded(page, "#home")

    # a file that is read: no worker has it before it is given
    stack.sweeper.pause()
    stack.worker.pause()
    bulk = bulks.take(
        seat=owner,
        name="gifts.csv",
        data=f"SKU;Reference;Name;E-mail\n{ROWS.format(sku=scene.card.sku)}".encode(),
        again=False,
        by=Actor.in_seat(owner),
    )
    page.goto(f"/bulk/{bulk.pk}/")
    expect(page.get_by_role("main")).to_contain_text("The file is being read.")
    renewed(page, page.get_by_role("link", name="Look again"), lambda: None)
    stack.worker.resume()
    stack.sweeper.resume()
    expect(page.get_by_role("button", name="Redeem 4,500 points")).to_be_visible()
    expect(page.get_by_role("heading", name="gifts.csv")).to_be_focused()
    same_as_reloaded(page, "#bulk")

    # a code that is shown; after a reload it is asked for again, and recorded again
    page.goto(order.get_absolute_url())
    page.get_by_role("button", name="Show the code").press("Enter")
    expect(page.locator("[data-landing]:has(.secret)")).to_be_focused()
    expect(page.locator("#live")).to_have_text("The codes are shown.")
    expect(page.get_by_role("main")).to_contain_text("looked at the codes")
    same_as_reloaded(page, "#order .timeline")

    # deliveries to the company's own system, none of which arrives
    endpoint = WebhookEndpoint.objects.create(
        company=owner.company,
        url="https://127.0.0.1:9/",
        events=list(EventType.values),
        secret=token_urlsafe(),
        created_by=owner.user,
    )
    ping(endpoint.pk, by=Actor.in_seat(owner))
    page.goto(f"/company/webhooks/{endpoint.pk}/")
    renewed(page, page.locator("summary", has_text="New secret"), lambda: None)
    expect(page.locator("#deliveries")).not_to_contain_text("None yet")
    same_as_reloaded(page, "#deliveries", "#endpoint-state", "#endpoint-notice")
