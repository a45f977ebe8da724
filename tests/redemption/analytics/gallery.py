"""Orders with every kind of end, placed over several days by several companies."""

from datetime import timedelta
from random import Random

import pgtrigger
from django.db.models import F

from accounts.models import AccountManager, User
from catalog.models import Product
from fulfillment import services as desk
from fulfillment.models import Fulfillment, FulfillmentEvent
from fulfillment.returning import return_units
from fulfillment.states import ReturnedTo
from loyalty_portal.data.actor import Actor
from redemption.models import (
    LineReturn,
    LoyaltyTransaction,
    OrderEvent,
    RedemptionOrder,
    TransactionType,
)
from tests.accounts.factories import CompanyFactory, SeatFactory, UserFactory
from tests.catalog.factories import CategoryFactory, ProductFactory
from tests.redemption.factories import delivered_by_mail, paid, placed, settle, shipped


class Gallery:
    """Draws orders. `draw()` places one, carries it on, and moves it into the past."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        companies = [CompanyFactory.create(), CompanyFactory.create(gold=True)]
        self.seats = [SeatFactory.create(company=company) for company in companies for _ in "ab"]
        shelves = [CategoryFactory.create(), CategoryFactory.create()]
        self.things = [
            ProductFactory.create(category=shelf, points_cost=100 * (1 + number), in_stock=10_000)
            for number, shelf in enumerate(shelves * 2)
        ]
        self.cards = [ProductFactory.create(virtual=True, category=shelves[0])]
        self.clerks: list[User] = [UserFactory.create(staff=True) for _ in "ab"]

    def draw(self, *, hours_ago: float | None = None) -> RedemptionOrder:
        kind = self.random.choice(
            [
                self._waits, self._declined, self.confirmed, self._sent, self._arrived,
                self._by_mail, self._not_supplied, self._came_back,
            ]
        )  # fmt: skip
        order = kind()
        ago = self.random.uniform(0, 80) if hours_ago is None else hours_ago
        moved_back(order, timedelta(hours=ago))
        return order

    def _wanted(self) -> list[tuple[Product, int]]:
        some = self.random.sample(self.things, k=self.random.randint(1, 2))
        return [(product, self.random.randint(1, 3)) for product in some]

    def _seat(self) -> AccountManager:
        seat: AccountManager = self.random.choice(self.seats)
        return seat

    def _clerk(self) -> Actor:
        return Actor.person(self.random.choice(self.clerks))

    def _waits(self) -> RedemptionOrder:
        return placed(self._seat(), *self._wanted())

    def _declined(self) -> RedemptionOrder:
        order = self._waits()
        settle(order.transactions.get(), refused="insufficient_points")
        return order

    def confirmed(self) -> RedemptionOrder:
        return paid(self._seat(), *self._wanted())

    def _sent(self) -> RedemptionOrder:
        order = self.confirmed()
        self.send(order, at_least=1)
        return order

    def send(self, order: RedemptionOrder, *, at_least: int | None = None) -> None:
        """Pack and send the first line: all of it, or a part of some size."""
        parcel = Fulfillment.objects.get(reference=order.items.all()[0].pk)
        by = self._clerk()
        desk.pack(fulfillment=parcel, by=by)
        desk.ship(
            fulfillment=parcel,
            quantity=self.random.randint(at_least or parcel.quantity, parcel.quantity),
            carrier="DHL",
            tracking_number="JJD1",
            by=by,
        )

    def _arrived(self) -> RedemptionOrder:
        order = self.confirmed()
        desk.deliver(shipment=shipped(order), by=self._clerk())
        return order

    def arrived(self) -> RedemptionOrder:
        """An order of one line of three units, which has arrived."""
        order = paid(self._seat(), (self.things[0], 3))
        desk.deliver(shipment=shipped(order), by=self._clerk())
        return order

    def take_back(self, order: RedemptionOrder, units: int) -> None:
        """Record that units of the order's one line came back."""
        return_units(
            fulfillment=Fulfillment.objects.get(reference=order.items.get().pk),
            quantity=units,
            to=self.random.choice([ReturnedTo.STOCK, ReturnedTo.WRITTEN_OFF]),
            reason="Dented",
            by=self._clerk(),
        )

    def _came_back(self) -> RedemptionOrder:
        order = self.arrived()
        self.take_back(order, self.random.randint(1, 3))
        return order

    def _by_mail(self) -> RedemptionOrder:
        order = paid(self._seat(), (self.cards[0], 1))
        delivered_by_mail(order, f"CODE-{order.pk}")
        return order

    def _not_supplied(self) -> RedemptionOrder:
        order = self.confirmed()
        self.give_up(order)
        return order

    def give_up(self, order: RedemptionOrder) -> None:
        """Let the desk supply none of it, and the partner give the points back."""
        for item in order.items.all():
            desk.cannot_supply(
                fulfillment=Fulfillment.objects.get(reference=item.pk),
                quantity=None,
                reason=self.random.choice(["Broken", "Sold out"]),
                by=self._clerk(),
            )
        for credit in order.transactions.filter(transaction_type=TransactionType.CREDIT):
            settle(credit)


def moved_back(order: RedemptionOrder, age: timedelta) -> None:
    """Move an order and all that happened to it into the past."""
    lines = order.items.values("pk")
    with pgtrigger.ignore():
        RedemptionOrder.objects.filter(pk=order.pk).update(created_at=F("created_at") - age)
        OrderEvent.objects.filter(order=order).update(at=F("at") - age)
        LoyaltyTransaction.objects.filter(order=order).update(created_at=F("created_at") - age)
        FulfillmentEvent.objects.filter(fulfillment__reference__in=lines).update(at=F("at") - age)
        LineReturn.objects.filter(item__in=lines).update(recorded_at=F("recorded_at") - age)
