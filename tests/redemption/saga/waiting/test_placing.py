"""What a buyer may say about a line: to whom, when, and with which message."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Company
from catalog.models import Product
from redemption.models import OrderItem, RedemptionOrder
from redemption.saga.steps import RedemptionError
from tests.redemption.saga.waiting import lines
from tests.redemption.saga.waiting.lines import line, tomorrow
from tests.redemption.world import World

pytestmark = pytest.mark.django_db(transaction=True)

KIRITIMATI = "Pacific/Kiritimati"  # 14 hours ahead of UTC


def placed(world: World, product: Product, **terms: Any) -> OrderItem:
    """Place an order of one line with these terms."""
    return line(lines.placed(world, (product, terms)))


def test_a_code_for_a_day_waits_until_nine_in_the_companys_zone(world: World) -> None:
    Company.objects.filter(pk=world.company.pk).update(time_zone="Europe/Berlin")
    day = tomorrow() + timedelta(days=1)
    item = placed(world, world.virtual(), send_on=day, message="Happy new year!")
    assert item.waits_until == datetime(*day.timetuple()[:3], 9, tzinfo=ZoneInfo("Europe/Berlin"))
    assert (item.waits_for, item.message, item.is_waiting) == ("DATE", "Happy new year!", True)


def test_today_is_the_companys_today(world: World) -> None:
    Company.objects.filter(pk=world.company.pk).update(time_zone=KIRITIMATI)
    there = (timezone.now() + timedelta(hours=14)).date()
    item = placed(world, world.virtual(), send_on=there)
    assert item.waits_until == datetime(
        *(there - timedelta(days=1)).timetuple()[:3], 19, tzinfo=UTC
    )
    with pytest.raises(RedemptionError, match="that day is over"):
        placed(world, world.virtual(), send_on=there - timedelta(days=1))


def test_a_line_without_a_recipient_waits_for_one(world: World) -> None:
    item = placed(world, world.product(), recipient=None)
    assert (item.waits_for, item.waits_until, item.recipient_name) == ("RECIPIENT", None, "")
    assert item.is_waiting


def test_a_line_that_waits_for_nothing_is_as_before(world: World) -> None:
    item = placed(world, world.product())
    assert (item.waits_for, item.waits_until, item.is_waiting) == ("", None, False)


@pytest.mark.parametrize(
    ("kind", "terms", "told"),
    [
        ("product", {"send_on": tomorrow()}, "a parcel, which cannot wait for a date"),
        ("virtual", {"send_on": tomorrow(), "recipient": None}, "cannot wait for a date too"),
        ("virtual", {"send_on": date(2020, 2, 29)}, "Feb. 29, 2020: that day is over"),
        ("virtual", {"send_on": date(9999, 12, 31)}, "a day within a year"),
        ("virtual", {"message": "m" * 501}, "has 501 characters; it may have 500"),
        ("virtual", {"recipient": {}}, "Say who gets"),
        ("virtual", {"recipient": {"recipient_name": " "}}, "Say who gets"),
    ],
)
def test_what_a_line_cannot_do_is_refused_in_a_sentence(
    world: World, kind: str, terms: dict[str, Any], told: str
) -> None:
    with pytest.raises(RedemptionError, match=told):
        placed(world, getattr(world, kind)(), **terms)
    assert not RedemptionOrder.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"waits_for": "DATE"},
        {"waits_for": "", "waits_until": datetime(2026, 1, 1, tzinfo=UTC)},
        {"waits_for": "MONEY", "waits_until": datetime(2026, 1, 1, tzinfo=UTC)},
        {"recipient_name": ""},
        {"recipient_name": "", "waits_for": "RECIPIENT", "fulfillment_status": "QUEUED"},
    ],
)
def test_the_database_refuses_a_line_that_waits_for_something_else(
    world: World, change: dict[str, Any]
) -> None:
    item = placed(world, world.product())
    with pytest.raises(IntegrityError), transaction.atomic():
        OrderItem.objects.filter(pk=item.pk).update(**change)
