"""The page of an order of many lines: as many statements as for one, and what happened to many is
told together.
"""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AccountManager
from fulfillment import services as desk
from fulfillment.models import Fulfillment, PartnerCall
from fulfillment.virtual import saga as virtual
from loyalty_portal.data.actor import Actor
from redemption.models import RedemptionOrder
from redemption.saga.transactions import settle_transaction
from tests.redemption.pages import said, timeline
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]


def confirmed(world: World, *, cards: int = 0, books: int = 0) -> RedemptionOrder:
    """An order whose lines each have their own recipient."""
    card, book = world.virtual(points=1), world.product(points=1, stocked=books or 1)
    order = world.place(*[(card, 1)] * cards, *[(book, 1)] * books)
    for number, item in enumerate(order.items.all()[:30]):
        name = f"person{number}@northwind.example"
        order.items.filter(pk=item.pk).update(recipient_email=name)
    settle_transaction(world.debit(order).pk)
    return order


def delivered(order: RedemptionOrder, number: int) -> None:
    """Let the partner deliver the first so many lines."""
    for item in order.items.all()[:number]:
        assert virtual.ask(PartnerCall.objects.get(fulfillment__reference=item.pk).pk)


def test_the_page_of_500_lines_needs_the_statements_of_one_and_shows_the_first(
    world: World, client_for: SignIn
) -> None:
    client, figures = client_for(world.seat), []
    for lines in (1, 1, 500):  # the first one fills the caches
        order = confirmed(world, cards=lines)
        with CaptureQueriesContext(connection) as seen:
            page = said(client.get(order.get_absolute_url()))
        figures.append((len(seen), len(page)))
    (few, small), (many, large) = figures[1:]
    assert many == few
    assert large < 3.5 * small  # 20 lines, and a short key for each that a cancel would reach
    assert page.count("lines__name") == 20
    assert "Show everything: 480 more lines" in page
    everything = said(client.get(f"{order.get_absolute_url()}?all"))
    assert everything.count("lines__name") == 500
    assert "person29@northwind.example" in everything
    assert "/story/" not in everything


def test_the_story_of_many_lines_says_how_many_of_them(world: World) -> None:
    world.partners.dial(mode="instant", delay=0)
    order = confirmed(world, cards=12, books=12)
    delivered(order, 9)
    by = Actor.in_seat(world.seat)
    for parcel in Fulfillment.objects.filter(channel="DESK")[:3]:
        desk.pack(fulfillment=parcel, by=by)
        desk.ship(fulfillment=parcel, quantity=1, carrier="DHL", tracking_number="", by=by)
    desk.cannot_supply(
        fulfillment=Fulfillment.objects.filter(status="QUEUED")[0],
        quantity=None,
        reason="Lost",
        by=by,
    )
    steps = {step.title: step.text for step in timeline(order)}
    assert "12 of 12 lines ordered from our partner" in steps
    assert "person0@northwind.example" in steps["9 of 12 lines delivered by e-mail"]
    assert "5 others" in steps["9 of 12 lines delivered by e-mail"]
    assert "12 of 12 lines being prepared" in steps
    assert "3 of 12 lines packed" in steps
    assert "3 parcels sent with DHL" in steps
    assert steps["Arrives"] == "11 lines."
    [lost] = [title for title in steps if "could not be supplied" in title]
    assert lost.startswith("1 line (Thing ")
    assert len(steps) < 15


def test_lines_of_one_status_are_shown_at_a_click(world: World, client_for: SignIn) -> None:
    world.partners.dial(mode="instant", delay=0)
    order = confirmed(world, cards=28)
    client, address = client_for(world.seat), order.get_absolute_url()
    assert "?lines=" not in said(client.get(address))  # all stand alike
    delivered(order, 26)
    page = said(client.get(address))
    assert "All (28)" in page
    assert f'href="{address}?lines=DELIVERED#lines-title">Delivered (26)</a>' in page
    assert page.count("Everyone who looks") == 1
    left = said(client.get(f"{address}?lines=REQUESTED"))
    assert left.count("lines__name") == 2
    assert "Everyone who looks" not in left
    assert "/story/" not in left  # the page that looks again shows no choice
    assert said(client.get(f"{address}?lines=DELIVERED")).count("lines__name") == 26
    assert "No line has this status any more." in said(client.get(f"{address}?lines=FAILED"))
    for nothing in ("", "delivered", "²", "%00"):
        assert said(client.get(f"{address}?lines={nothing}")).count("lines__name") == 20


def test_a_line_shows_the_message_to_its_recipient(world: World, client_for: SignIn) -> None:
    order = confirmed(world, cards=1)
    order.items.update(message="Well <b>done</b>!")
    page = said(client_for(world.seat).get(order.get_absolute_url()))
    assert "“Well &lt;b&gt;done&lt;/b&gt;!”" in page or "“Well <b>done</b>!”" in page


def test_a_few_lines_are_told_one_by_one_to_whom_they_went(world: World) -> None:
    world.partners.dial(mode="instant", delay=0)
    order = confirmed(world, cards=2)
    delivered(order, 2)
    told = [step.text for step in timeline(order) if step.title == "Delivered by e-mail"]
    assert all(f"person{number}@northwind.example" in " ".join(told) for number in range(2))
    [ordered] = [step.text for step in timeline(order) if step.title == "Ordered from our partner"]
    assert "person0@northwind.example and person1@northwind.example" in ordered


def test_a_code_of_a_line_that_the_page_leaves_out_is_shown_without_javascript(
    world: World, client_for: SignIn
) -> None:
    world.partners.dial(mode="instant", delay=0)
    order = confirmed(world, cards=25)
    last = order.items.last()
    assert last
    call = PartnerCall.objects.get(fulfillment__reference=last.pk)
    assert virtual.ask(call.pk)
    client = client_for(world.seat)
    assert f"codes-{last.pk}" not in said(client.get(order.get_absolute_url()))
    page = said(client.post(f"{order.get_absolute_url()}codes/{last.pk}/"))
    assert 'class="secret"' in page
