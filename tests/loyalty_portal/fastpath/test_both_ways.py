"""With and without the fastpath, people see the same pages and the same rows are written."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core import mail
from django.db import models
from django.test import Client
from django.utils import timezone

from accounts.layout import Header, header_of
from accounts.models import AccountManager, KnownBalance, Role
from inventory import services as stock
from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.data.encrypted_field import EncryptedTextField
from redemption.models import Letter
from redemption.saga.queues import work
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import fill_cart, paid, placed
from tests.redemption.world import ROOMS, World

SignIn = Callable[[AccountManager], Client]
MASKED = re.compile(
    r'(?<=name="csrfmiddlewaretoken")\s+value="\w+"|name="token" value="[^"]*"'
    r'|data-relative="\d+"'  # seconds, which may go on between two pages
)
HTMX = {"HX-Request": "true"}


def both(settings: Any, act: Callable[[], Any]) -> tuple[Any, Any]:
    """The results of `act` with plain Django, and with the fastpath after a first run filled its
    caches.
    """
    settings.FASTPATH = False
    plain = act()
    settings.FASTPATH = True
    act()
    return plain, act()


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.VIEWER, Role.BUYER, Role.APPROVER])
def test_every_page_says_the_same(client_for: SignIn, settings: Any, role: Role) -> None:
    seat = SeatFactory.create(
        role=role,
        user__name="Ada <Byron>",
        user__is_staff=role == Role.APPROVER,
        company__name='A & "B"',
        company__balance=5_000,
    )
    told = timezone.now() + timedelta(hours=1)  # so that it does not grow old meanwhile
    if role == Role.BUYER:  # with several seats, and a balance that is old
        SeatFactory.create(user=seat.user, company__name="Tessera")
        told -= timedelta(hours=3)
    KnownBalance.objects.update(fetched_at=told, as_of=told)
    cheap, dear = (
        ProductFactory.create(name="<Mug>", points_cost=10),
        ProductFactory.create(points_cost=9_000),
    )
    fill_cart(seat, (cheap, 2), (dear, 1))
    client = client_for(seat)
    asked = [
        ("/", {}, {}),
        ("/catalog/", {}, {}),
        ("/catalog/", {"q": "mug & <b>", "in_stock": "1"}, {}),
        ("/catalog/", {"sort": "points"}, {**HTMX, "HX-Target": "results"}),
        (cheap.get_absolute_url(), {"quantity": "3"}, {}),
        (cheap.get_absolute_url(), {"quantity": "many"}, {}),
        (dear.get_absolute_url(), {"quantity": "2"}, {**HTMX, "HX-Target": "tally"}),
        ("/cart/", {}, {}),
        ("/orders/", {}, {}),
        ("/catalog/no-such-thing/", {}, {}),
    ]
    for address, query, headers in asked:

        def page(address: str = address, query: Any = query, headers: Any = headers) -> Any:
            answer = client.get(address, query, headers=headers)
            return answer.status_code, MASKED.sub("", answer.content.decode())

        plain, fast = both(settings, page)
        assert fast == plain, address


@pytest.mark.django_db(transaction=True)
def test_the_header_counts_the_same(settings: Any) -> None:
    seat = SeatFactory.create(role=Role.APPROVER, company__balance=5_000)
    colleague = SeatFactory.create(company=seat.company)
    product = ProductFactory.create(points_cost=100)
    fill_cart(seat, (product, 2))
    placed(seat, (product, 1))
    placed(colleague, (product, 2))
    paid(seat, (product, 3))
    known = KnownBalance.objects.get(company=seat.company)
    known.fetched_at -= timedelta(minutes=1)

    def header() -> Header:
        return header_of(seat, known=known)

    plain, fast = both(settings, header)
    assert fast == plain
    assert (fast.cart_count, fast.in_flight) != (0, 0)


# What is drawn, read from a clock, or named after the order and its products.
CHANCE = (models.UUIDField, models.DateTimeField, models.ForeignKey, EncryptedTextField)
NAMES = {"key", "body", "label", "sku", "name", "slug", "product_name", "order_number"}
NAMES |= {"external_transaction_id", "facts", "parcel_key", "pgh_id", "pgh_context"}


def rows() -> Counter[tuple[str, ...]]:
    """All rows of the rooms as text, without the catalogue, which the test fills."""
    found: Counter[tuple[str, ...]] = Counter()
    for model in apps.get_models():
        columns = [
            each.attname
            for each in model._meta.concrete_fields
            if not isinstance(each, CHANCE) and each.name not in NAMES
        ]
        if columns and model._meta.app_label in set(ROOMS) - {"catalog"}:
            each = model._base_manager.values_list(*columns)
            found.update((model._meta.label, *map(str, row)) for row in each)
    return found


@pytest.mark.django_db(transaction=True)
def test_an_order_its_debit_and_its_letter_leave_the_same_rows(world: World, settings: Any) -> None:
    def order_and_settle() -> Counter[tuple[str, ...]]:
        before = rows()
        order = world.place((world.product(), 2), (world.virtual(), 1))
        assert work("transactions", world.debit(order).pk) == order.pk
        stock.release(pieces={order.items.all()[0].pk: 1}, by=SYSTEM, reason="a test")
        letter = Letter.objects.get(order=order)
        assert work("letters", letter.pk)
        assert order.order_number in f"{mail.outbox[-1].subject}{mail.outbox[-1].body}"
        return rows() - before

    plain, fast = both(settings, order_and_settle)
    assert fast == plain
    assert sum(plain.values()) > 20
