"""What the company and the staff read about a line that waits."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager, Company
from loyalty_portal.data.texts.times import exact
from redemption.saga import waiting
from tests.accounts.factories import UserFactory
from tests.redemption.pages import said
from tests.redemption.saga.waiting.lines import (
    asking,
    confirmed,
    dated,
    line,
    time_comes,
    tomorrow,
)
from tests.redemption.world import World
from tests.support.staff import browser

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[AccountManager], Client]


def test_the_order_says_until_when_a_line_waits_in_the_companys_time(
    world: World, client_for: SignIn
) -> None:
    Company.objects.filter(pk=world.company.pk).update(time_zone="Europe/Berlin")
    card, book = world.virtual(points=500), world.product(points=1_000)
    later = {"send_on": tomorrow(), "message": "Well done!"}
    order = confirmed(world, (card, later), (book, {"recipient": None}))
    sent, asked = order.items.order_by("waits_for")
    assert sent.waits_until is not None
    assert asked.waits_until is not None
    told = [
        f"Will be sent on {exact(sent.waits_until, zone='Europe/Berlin')}.",
        f"Waits for the recipient’s answer until {exact(asked.waits_until, zone='Europe/Berlin')}.",
    ]
    assert ", 09:00 CE" in told[0]
    staff = browser(UserFactory.create(superuser=True))
    for page in (
        client_for(world.seat).get(order.get_absolute_url()),
        staff.get(f"/admin/redemption/redemptionorder/{order.pk}/change/"),
    ):
        words = said(page)
        assert all(sentence in words for sentence in told)


def test_the_desk_reads_the_message_that_belongs_into_the_parcel(world: World) -> None:
    order = confirmed(world, (world.product(), {"message": "Thanks <3"}))
    parcel = world.fulfillment(order)
    staff = browser(UserFactory.create(superuser=True))
    page = said(staff.get(f"/admin/fulfillment/fulfillment/{parcel.pk}/change/"))
    assert "Enclose this message:</b> Thanks &lt;3" in page


def test_a_line_that_ended_without_an_answer_says_why_and_where_its_points_are(
    world: World, client_for: SignIn
) -> None:
    order = asking(world)
    time_comes(order)
    waiting.end_wait(line(order).pk)
    words = said(client_for(world.seat).get(order.get_absolute_url()))
    assert "cancelled" in words
    assert "The recipient did not answer in time. Its points are on their way back." in words


def test_an_order_of_which_all_waits_is_waiting_and_nothing_of_it_is_late(
    world: World, client_for: SignIn
) -> None:
    order = dated(world)
    type(order).objects.update(created_at=timezone.now() - timedelta(days=100))
    page = said(client_for(world.seat).get("/orders/"))
    assert "Waiting" in page
    assert "looking at it" not in page
