"""The admin's first page and its menu: for each job what waits, and nothing else."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone

from accounts.services import STAFF_GROUPS
from catalog.models import Product
from fulfillment.models import Fulfillment
from loyalty_portal.admin_site.home import Chart, HomeCard
from loyalty_portal.data.actor import Actor
from redemption.analytics.services import count_figures
from redemption.incidents.services import raise_incident
from redemption.models import LoyaltyTransaction
from redemption.orders.actions import transaction_decisions
from redemption.saga.steps import flag, locked
from redemption.states import IncidentKind, TransactionStatus, Verdict
from tests.catalog.factories import ProductFactory
from tests.support.orders.order_kinds import confirmed_order, placed_order
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db

LISTS = {
    "desk": "Next at the desk, oldest promise first",
    "second": "Waits for your second look",
    "orders": "Orders that need a person, oldest first",
    "incidents": "Incidents, worst first",
    "stock": "Low stock, what runs out first",
    "offers": "Offers that end within a week",
    "people": "Staff without a group",
}
HOMES = {
    "catalogue": {"stock", "offers"},
    "warehouse": {"desk", "incidents", "stock"},
    "fulfillment": {"desk", "stock"},
    "finance": {"second", "orders", "incidents"},
    "support": {"desk", "orders", "incidents"},
    "administrator": {"orders", "people"},
    "auditor": {"desk", "orders", "incidents", "stock"},
}
JOBS = {
    "catalogue": ["Catalogue", "Stock", "System"],
    "warehouse": ["Desk", "Catalogue", "Stock", "System"],
    "fulfillment": ["Desk", "Stock"],
    "finance": ["Orders", "Points", "People", "Reports", "System"],
    "support": ["Desk", "Catalogue", "Orders", "Points", "People", "System"],
    "administrator": ["Orders", "People", "Reports", "System"],
    "auditor": ["Desk", "Catalogue", "Stock", "Orders", "Points", "People", "Reports", "System"],
}


def home(*groups: str) -> str:
    return browser(staff(*groups)).get("/admin/").content.decode()


def menu_of(page: str) -> str:
    return page[page.index('id="nav-sidebar-apps"') : page.index('id="main"')]


def jobs_of(menu: str) -> list[str]:
    """The headings of the menu that have entries below them."""
    parts = (part.partition("</ol>")[0] for part in menu.split("<h2")[1:])
    return [re.findall(r">\s*([^<]+?)\s*<", part)[0] for part in parts if "<li>" in part]


def doubtful() -> LoyaltyTransaction:
    """A debit of unknown outcome that two people must decide about."""
    order = placed_order((ProductFactory.create(), 1))
    debit: LoyaltyTransaction = order.transactions.get()
    debit.transition(TransactionStatus.SENT, attempts=1)
    debit.transition(TransactionStatus.UNKNOWN, next_attempt_at=None)
    debit.transition(TransactionStatus.NEEDS_REVIEW)
    flag(locked(order.pk), "Nobody knows.", kind=IncidentKind.HORIZON, about=debit)
    return debit


@pytest.mark.parametrize("group", HOMES)
def test_each_group_sees_what_waits_for_its_job(group: str) -> None:
    page = home(group)
    assert {name for name, title in LISTS.items() if title in page} == HOMES[group]
    assert jobs_of(menu_of(page)) == JOBS[group]


def test_who_has_no_group_is_told_so() -> None:
    assert "You have no permissions here yet" in home()


def test_a_proposal_waits_for_everybody_who_may_decide_but_for_its_author() -> None:
    debit, author, other = doubtful(), staff("finance"), staff("finance")
    transaction_decisions.propose(
        intent=debit,
        verdict=Verdict.DID_NOT,
        entry="",
        evidence="Their statement of today.",
        by=Actor.person(author),
    )
    there = f"/admin/redemption/loyaltytransaction/{debit.pk}/change/"
    own, others = (browser(who).get("/admin/").content.decode() for who in (author, other))
    assert there not in own
    assert there in others
    assert debit.order.order_number in others
    assert there not in home("support")


def test_what_waits_is_counted_in_the_menu_and_leads_to_its_list() -> None:
    confirmed_order((ProductFactory.create(in_stock=6), 2))  # 4 are left, which is low
    raise_incident(kind=IncidentKind.STOCK_DRIFT, key="drift", what="3 too many.")
    menu = menu_of(home("warehouse"))
    for address in (
        "/admin/desk/", "/admin/inventory/inventory/",
        "/admin/redemption/incident/work/",
    ):  # fmt: skip
        entry = menu[menu.index(f'href="{address}"') :].split("</li>")[0]
        assert re.search(r'class="menu-count">\s*1\s*<', entry), address


def test_each_figure_leads_to_the_page_of_its_job_which_shows_as_many() -> None:
    now, things = timezone.now(), [ProductFactory.create() for _each in range(2)]
    dues = [now - timedelta(days=1), now + timedelta(hours=5), now + timedelta(days=9)]
    parcels = {"late": dues[:1], "soon": dues[1:2], "later": dues[2:] * 2, "held": dues[:1]}
    for name, wanted in parcels.items():
        for due in wanted:
            order = confirmed_order(*((thing, 1) for thing in things))  # one parcel of two lines
            Fulfillment.objects.filter(reference__in=order.items.values("pk")).update(
                promised_by=due, hold_reason="No box fits." if name == "held" else ""
            )
    debit = doubtful()
    raise_incident(kind=IncidentKind.STOCK_DRIFT, key="drift", what="3 too many.")
    client = browser(staff("support", "warehouse", "finance"))
    page = client.get("/admin/")
    cards = {card.title: card for _job, cards in page.context["groups"] for card in cards}
    for title, name in (("Late", "late"), ("Within a day", "soon"), ("Later", "later")):
        assert cards[title].href == f"/admin/desk/?show={name}"
        queue = client.get(cards[title].href)
        assert len(queue.context["queue"]) == cards[title].number == len(parcels[name])
        assert (name, title) in queue.context["filters"]
    assert cards["Open"].href == "/admin/redemption/incident/work/"
    assert len(client.get(cards["Open"].href).context["rows"]) == cards["Open"].number == 2
    unclear = client.get(cards["Unclear or due"].href)
    assert [row.pk for row, _badge in unclear.context["rows"]] == [debit.pk]
    assert cards["Unclear or due"].number == 1
    nexts = next(each for each in page.context["lists"] if each.title == LISTS["desk"])
    assert [line.href.startswith("/admin/desk/") for line in nexts.lines] == [True] * 4
    assert nexts.href == "/admin/desk/"


def test_the_oldest_promise_stands_first_and_says_how_late_it_is() -> None:
    early, late = (confirmed_order((ProductFactory.create(), 1)) for _each in range(2))
    now = timezone.now()
    for order, due in ((early, now + timedelta(days=2)), (late, now - timedelta(days=3))):
        rows = Fulfillment.objects.filter(reference__in=order.items.values("pk"))
        rows.update(promised_by=due)
    page = home("fulfillment")
    assert page.index(late.order_number) < page.index(early.order_number)
    assert re.search(r"3\xa0days late", page)
    assert re.search(r"in (1\xa0day|2\xa0days)", page)


def test_what_runs_out_first_stands_first_in_the_list_of_low_stock() -> None:
    slow, fast = (ProductFactory.create(in_stock=20) for _each in range(2))
    Product.objects.filter(pk__in=[slow.pk, fast.pk]).update(stock_status="LOW")
    confirmed_order((slow, 1))
    confirmed_order((fast, 14))
    page = home("warehouse")
    part = page[page.index(LISTS["stock"]) :]
    assert part.index(fast.sku) < part.index(slow.sku)


def test_an_offer_that_ends_soon_is_shown_to_whoever_may_change_products() -> None:
    now = timezone.now()
    soon = ProductFactory.create(available_until=now + timedelta(days=3))
    later = ProductFactory.create(available_until=now + timedelta(days=30))
    page = home("catalogue")
    assert soon.sku in page
    assert later.sku not in page


def test_the_first_page_takes_few_queries_and_the_menu_counts_all_at_once(
    django_assert_max_num_queries: Any, settings: Any
) -> None:
    settings.FASTPATH = True  # plain Django asks for each list by itself
    for _each in range(3):
        confirmed_order((ProductFactory.create(), 1))
    client = browser(staff(*STAFF_GROUPS))
    cache.clear()
    with django_assert_max_num_queries(12):
        client.get("/admin/")
    cache.clear()
    with django_assert_max_num_queries(12):
        client.get("/admin/fulfillment/fulfillment/")


def test_orders_and_points_by_day_are_charts_with_their_tables() -> None:
    order = confirmed_order((ProductFactory.create(), 2))
    placed_order((ProductFactory.create(), 1))
    count_figures()
    page = home("finance")
    titles = re.findall(r"(Orders by day|Points taken by day)\s*<small>([\d,]+)", page)
    assert titles == [("Orders by day", "2"), ("Points taken by day", f"{order.total_points:,}")]
    assert page.count("<rect") == 2 * 28
    assert "Orders by day" not in home("warehouse")


def test_more_than_anybody_needs_to_know_is_told_as_more(monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: a thousand rows would tell no more than three
    monkeypatch.setattr("loyalty_portal.admin_site.counts.MOST", 2)
    for _each in range(4):
        order = confirmed_order((ProductFactory.create(), 1))
        flag(locked(order.pk), "Nobody knows.", kind=IncidentKind.HORIZON)
    page = home("support")
    attention = page[page.index("Attention") :]
    [number, *_others] = re.findall(r'figure-card__number">([^<]*)', attention)
    assert number == "2+"


def own_cards(request: HttpRequest) -> list[HomeCard | Chart]:
    """What a room of its own adds, named in the setting."""
    today = timezone.localdate()
    days = [(today - timedelta(days=1), 0), (today, 40)]
    return [
        HomeCard("Questions", "Unanswered", 3, "from companies", "/admin/", "help", "warn"),
        Chart.of("Questions by day", "questions", days, "/admin/"),
    ]


def test_a_room_adds_cards_and_charts_by_a_name_in_the_settings(settings: Any) -> None:
    settings.HOME_CARDS = [f"{__name__}.own_cards"]
    page = home("support")
    assert "from companies" in page
    assert page.count("<rect") == 2
    assert "40" in page[page.index("As a table") :]
    for title in LISTS.values():
        assert title not in page
