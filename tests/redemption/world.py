"""A small world for tests: a company with points in the sandbox, a seat, and products."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from itertools import count

import pgtrigger
from django.apps import apps
from django.db import connection, transaction

from accounts.models import AccountManager, Company, Role, TierLevel, User
from catalog.models import Category, Product, ProductType
from fulfillment.models import Fulfillment, PartnerCall
from inventory import services as stock
from loyalty_portal.data.actor import SYSTEM, Actor
from redemption.checkout.services import CheckoutInput, Line, place_order
from redemption.models import LoyaltyTransaction, RedemptionOrder, TransactionType
from tests.support.sandbox_process import SandboxProcess

ROOMS = ("accounts", "catalog", "inventory", "fulfillment", "redemption")
OF_STAFF = ("audit", "jobs", "feed")  # what these keep names people and rows of the rooms
_numbers = count(1)
RECIPIENT = {
    "recipient_name": "Ada Byron",
    "recipient_email": "ada@northwind.example",
    "recipient_phone": "+4930123456",
    "address_line1": "Invalidenstr. 43",
    "address_line2": "",
    "city": "Berlin",
    "region": "",
    "postcode": "10115",
    "country": "DE",
}


@dataclass
class World:
    """The company, its seat and its products. `ledger()` reads the partner's ledger."""

    partners: SandboxProcess
    company: Company = field(init=False)
    seat: AccountManager = field(init=False)

    def __post_init__(self) -> None:
        self.company = self.new_company(points=100_000)
        self.seat = self.new_seat(Role.BUYER)

    def new_company(self, *, points: int, tier: str = TierLevel.GOLD, **fields: object) -> Company:
        number = next(_numbers)
        company = Company.objects.create(
            name=f"Northwind {number}",
            loyalty_account_id=f"ACC-{number}",
            tier_level=tier,
            **fields,
        )
        self.partners.account(company.loyalty_account_id, points)
        return company

    def new_seat(self, role: str, company: Company | None = None) -> AccountManager:
        user = User.objects.create_user(
            f"person{next(_numbers)}@northwind.example", name="Grace Hopper"
        )
        return AccountManager.objects.create(company=company or self.company, user=user, role=role)

    def product(
        self, *, kind: str = ProductType.PHYSICAL, points: int = 1_000, stocked: int | None = 10
    ) -> Product:
        number = next(_numbers)
        category, _ = Category.objects.get_or_create(name="Books", slug="books")
        product = Product.objects.create(
            sku=f"SKU-{number}",
            name=f"Thing {number}",
            slug=f"thing-{number}",
            product_type=kind,
            points_cost=points,
            category=category,
        )
        if stocked and kind == ProductType.PHYSICAL:
            stock.receive(product=product, quantity=stocked, reason="first delivery", by=SYSTEM)
        return product

    def virtual(self, **fields: int) -> Product:
        return self.product(kind=ProductType.VIRTUAL, **fields)

    def place(
        self,
        *wanted: tuple[Product, int],
        seat: AccountManager | None = None,
        token: uuid.UUID | None = None,
    ) -> RedemptionOrder:
        seat = AccountManager.objects.select_related("company", "user").get(
            pk=(seat or self.seat).pk
        )
        lines = [
            Line(
                Product.objects.select_related("inventory").get(pk=product.pk), quantity, RECIPIENT
            )
            for product, quantity in wanted
        ]
        points = sum(line.product.points_cost * line.quantity for line in lines)
        entered = CheckoutInput(token=token or uuid.uuid4(), seen_points=points)
        return place_order(seat=seat, lines=lines, entered=entered, by=Actor.in_seat(seat))

    def debit(self, order: RedemptionOrder) -> LoyaltyTransaction:
        return order.transactions.get(transaction_type=TransactionType.DEBIT)

    def credits(self, order: RedemptionOrder) -> list[LoyaltyTransaction]:
        return list(order.transactions.filter(transaction_type=TransactionType.CREDIT))

    def fulfillment(self, order: RedemptionOrder) -> Fulfillment:
        return Fulfillment.objects.get(reference=order.items.get().pk)

    def ledger(self, order: RedemptionOrder) -> tuple[int, int]:
        """Points debited and credited at the partner for this order."""
        sums = self.partners.ledger(reference=order.order_number)
        entries = sums["entries"]
        return (
            sum(entry["points"] for entry in entries if entry["type"] == "debit"),
            sum(entry["points"] for entry in entries if entry["type"] == "credit"),
        )


def make_all_due() -> None:
    """Make all rows due, and expire all leases."""
    for model in (LoyaltyTransaction, PartnerCall, Fulfillment):
        rows = model.objects.filter(next_attempt_at__isnull=False)
        rows.update(next_attempt_at="2020-01-01T00:00:00Z", lease_until=None)


def empty_rooms() -> None:
    """Delete all rows of all rooms, and what is kept about their people."""
    rooms = [apps.get_app_config(name) for name in (*ROOMS, *OF_STAFF)]
    tables = [f'"{model._meta.db_table}"' for room in rooms for model in room.get_models()]
    # Much faster than TRUNCATE for few rows. Foreign keys are checked at the end; the triggers that
    # write and protect history are off.
    with pgtrigger.ignore(), transaction.atomic(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")
