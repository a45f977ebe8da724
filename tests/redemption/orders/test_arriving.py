"""An order's sentence says when what was sent arrives, where the product tells in how many days."""

from datetime import UTC, date, datetime, time
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone, translation
from django.utils.formats import date_format

from accounts.models import AccountManager
from catalog.models import Product
from loyalty_portal.data.zones import local_day, working_days_after
from redemption.models import RedemptionOrder
from redemption.orders.facts import facts_of
from redemption.orders.steps.standing import standing_of
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid, shipped
from tests.redemption.pages import now, timeline

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def seat() -> AccountManager:
    return SeatFactory.create(company__balance=100_000)


@pytest.fixture
def mug() -> Product:
    return ProductFactory.create(name="Mug", points_cost=10, delivery_days=3)


def standing(order: RedemptionOrder) -> str:
    return standing_of(facts_of(now(order)))


def day(order: RedemptionOrder, days: int) -> date:
    """The day so many working days from today, as the company's calendar has it."""
    return working_days_after(local_day(timezone.now(), order.company.time_zone), days)


def on(monkeypatch: pytest.MonkeyPatch, today: date) -> None:
    noon = datetime.combine(today, time(12), UTC)
    # replaced: the clock of the page, so that days pass
    monkeypatch.setattr(
        "redemption.orders.steps.arriving.timezone", SimpleNamespace(now=lambda: noon)
    )


def test_the_sentence_names_the_day(
    seat: AccountManager, mug: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = paid(seat, (mug, 1))
    assert standing(order) == "1 being prepared."
    shipped(order)
    last = day(order, 3)
    assert standing(order) == f"Sent, arrives about {last:%A}."
    assert timeline(order)[-1].title == f"Arrives about {last:%A}"
    with translation.override("de"):
        assert standing(order) == f"Versandt, kommt etwa am {date_format(last, 'l')} an."
    on(monkeypatch, last)
    assert standing(order) == "Sent, arrives today."


def test_a_day_far_away_is_a_date_and_one_that_has_passed_is_not_told(
    seat: AccountManager, mug: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = paid(seat, (mug, 1))
    shipped(order)
    on(monkeypatch, day(order, 4))
    assert standing(order) == "1 on its way."
    Product.objects.update(delivery_days=15)
    assert standing(order) == f"Sent, arrives about {date_format(day(order, 15), 'DATE_FORMAT')}."


@pytest.mark.parametrize("change", [{"delivery_days": None}, {"product_type": "VIRTUAL"}])
def test_nothing_is_promised_of_what_is_not_known(
    seat: AccountManager, mug: Product, change: dict[str, Any]
) -> None:
    order = paid(seat, (mug, 1))
    shipped(order)
    Product.objects.update(**change)
    assert standing(order) == "1 on its way."


def test_of_several_lines_the_part_that_was_sent_has_its_day(
    seat: AccountManager, mug: Product
) -> None:
    lamp = ProductFactory.create(name="Lamp", points_cost=10)
    order = paid(seat, (mug, 1), (lamp, 1))
    shipped(order)
    last = f"{day(order, 3):%A}"
    sent = order.items.get(fulfillment_status="SHIPPED").product
    Product.objects.exclude(pk=sent.pk).update(delivery_days=None)
    Product.objects.filter(pk=sent.pk).update(delivery_days=3)
    assert standing(order) == f"1 on its way (there about {last}), 1 being prepared."


@pytest.mark.parametrize(
    ("begins", "days", "then"),
    [
        (date(2026, 11, 27), 1, date(2026, 11, 30)),  # Friday
        (date(2026, 11, 28), 1, date(2026, 11, 30)),  # Saturday
        (date(2026, 11, 30), 5, date(2026, 12, 7)),
        (date(2026, 12, 31), 2, date(2027, 1, 4)),
    ],
)
def test_working_days_leave_weekends_out(begins: date, days: int, then: date) -> None:
    assert working_days_after(begins, days) == then
