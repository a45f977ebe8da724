"""Who may work on what at the desk: the functions and the database conditions agree."""

import pytest
from django.utils import timezone

from accounts.models import User
from fulfillment.models import Channel, Fulfillment
from fulfillment.permissions import (
    FREE,
    claimed,
    has_claimed,
    may_take_over,
    may_work_on,
    to_take_over,
)
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.ids import uuid7
from tests.accounts.factories import UserFactory

pytestmark = pytest.mark.django_db


def parcel(whose: User | None) -> Fulfillment:
    return Fulfillment.objects.create(
        reference=uuid7(),
        label="R-1",
        channel=Channel.DESK,
        sku="BOOK",
        product_name="Book",
        quantity=1,
        status="QUEUED",
        promised_by=timezone.now(),
        claimed_by=whose,
    )


def test_nobody_works_on_what_a_colleague_has_claimed_before_taking_it_over() -> None:
    ann, bob = UserFactory.create(), UserFactory.create()
    free, anns, bobs = parcel(None), parcel(ann), parcel(bob)
    rows = [free, anns, bobs]
    for actor, own in ((Actor.person(ann), [anns]), (Actor.person(bob), [bobs]), (SYSTEM, [])):
        others = [row for row in rows if row is not free and row not in own]
        assert [row for row in rows if has_claimed(actor, row)] == own
        assert [row for row in rows if may_work_on(actor, row)] == [free, *own]
        assert [row for row in rows if may_take_over(actor, row)] == others
        stored = Fulfillment.objects.order_by("id")
        assert list(stored.filter(claimed(actor))) == own
        assert list(stored.filter(to_take_over(actor))) == others
    assert list(Fulfillment.objects.filter(FREE)) == [free]
