"""The check of all stock from sums finds what the movements themselves tell."""

from collections.abc import Iterable
from datetime import timedelta
from random import Random

import pgtrigger
import pytest
from django.db.models import F
from django.utils import timezone

from inventory import services as stock
from inventory.models import Inventory, MovementSum, StockMovement, SummedUntil
from inventory.sums import add_up_movements
from loyalty_portal.data.actor import SYSTEM
from redemption.invariants.checks import check_stock, check_stock_since
from redemption.models import Incident
from redemption.saga.stock_watch import watch_stock
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import shipped
from tests.support.orders.order_kinds import confirmed_order

pytestmark = pytest.mark.django_db


def aged(hours: float) -> None:
    """Move all movements, and how far they are added up, into the past."""
    age = timedelta(hours=hours)
    with pgtrigger.ignore():
        StockMovement.objects.update(created_at=F("created_at") - age)
    SummedUntil.objects.update(moment=F("moment") - age)


def told(violations: Iterable[object]) -> list[str]:
    return sorted(map(str, violations))


def test_sums_and_new_movements_say_what_all_movements_say() -> None:
    random = Random(7)
    products = [ProductFactory.create(in_stock=40) for _each in range(4)]
    for _round in range(4):
        for product in products:
            stock.receive(product=product, quantity=random.randint(1, 9), reason="in", by=SYSTEM)
            stock.count(product=product, counted=random.randint(20, 60), reason="off", by=SYSTEM)
            confirmed_order((product, random.randint(1, 3)))
        since = add_up_movements()
        assert told(check_stock_since(since)) == told(check_stock()) == []
        aged(0.7)  # some movements are settled at the next round, and some are not
    assert MovementSum.objects.count() == len(products)
    assert StockMovement.objects.filter(created_at__lt=since).exists()
    assert StockMovement.objects.filter(created_at__gte=since).exists()
    Inventory.objects.filter(product__in=products[:2]).update(
        quantity_available=F("quantity_available") + 3
    )
    wrong = told(check_stock())
    assert len(wrong) >= 2
    assert told(check_stock_since(add_up_movements())) == wrong


def test_settled_movements_are_read_once_and_all_of_them_once_a_day() -> None:
    product = ProductFactory.create(in_stock=10)
    aged(3)
    watch_stock()
    [summed] = MovementSum.objects.all()
    assert (summed.received, summed.moved) == (10, 10)
    with pgtrigger.ignore():  # somebody changes an old movement past the triggers
        StockMovement.objects.filter(product=product).update(available_change=11)
    watch_stock()
    assert not Incident.objects.exists()
    SummedUntil.objects.update(read_all_at=timezone.now() - timedelta(hours=25))
    watch_stock()
    assert "received 11" in Incident.objects.get().what


def test_sums_that_are_wrong_raise_no_incident() -> None:
    ProductFactory.create(in_stock=10)
    aged(3)
    watch_stock()
    MovementSum.objects.update(received=F("received") + 1)
    watch_stock()
    assert not Incident.objects.exists()


def test_what_is_sent_is_in_the_sums_too() -> None:
    shipped(confirmed_order((ProductFactory.create(in_stock=10), 2)))
    aged(3)
    since = add_up_movements()
    assert told(check_stock_since(since)) == told(check_stock()) == []
    assert MovementSum.objects.get().consumed == 2
