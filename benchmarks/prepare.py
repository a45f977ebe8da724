"""Prepares the portal: 1,000 products in stock, signed-in buyers, each with a full cart.

Ten buyers share a company. Their debits stay in flight, and each page of a company adds them up;
with thousands in one company the pages would not be measured fairly.

`python -m benchmarks.prepare setup BUYERS` prints the sessions as JSON; `python -m
benchmarks.prepare carts spread|one` fills each buyer's cart again.
"""

import json
import math
import os
import sys
import uuid

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_portal.settings")

import django
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.utils import timezone

django.setup()

from django.contrib.sessions.backends.cached_db import SessionStore

from accounts.models import AccountManager, Company, KnownBalance, Role, TierLevel, User
from catalog.models import Category, Product, ProductType, StockStatus
from inventory.models import Inventory
from redemption.models import Cart, CartLine

PRODUCTS = 1_000
BUYERS_OF_A_COMPANY = 10


def setup(buyers: int) -> None:
    shelves = Category.objects.bulk_create(
        Category(name=f"Shelf {number}", slug=f"shelf-{number}", motif="books")
        for number in range(12)
    )
    products = Product.objects.bulk_create(
        Product(
            sku=f"BENCH-{number:04d}",
            name=f"Product {number:04d}",
            slug=f"product-{number:04d}",
            brand=f"Brand {number % 20}",
            description="<p>A thing that is worth its points.</p>" * 4,
            product_type=ProductType.PHYSICAL,
            points_cost=100 + number,
            category=shelves[number % 12],
            stock_status=StockStatus.IN_STOCK,
        )
        for number in range(PRODUCTS)
    )
    Inventory.objects.filter(product__in=products).update(quantity_available=1_000_000)
    companies = Company.objects.bulk_create(
        Company(
            name=f"Company {number}",
            loyalty_account_id=f"BENCH-{number}",
            tier_level=TierLevel.GOLD,
        )
        for number in range(math.ceil(buyers / BUYERS_OF_A_COMPANY))
    )
    now = timezone.now()
    KnownBalance.objects.bulk_create(
        KnownBalance(company=company, points=2_000_000_000, as_of=now, fetched_at=now)
        for company in companies
    )
    users = User.objects.bulk_create(
        User(email=f"buyer{number}@bench.example", name=f"Buyer {number}", password="!")
        for number in range(buyers)
    )
    AccountManager.objects.bulk_create(
        AccountManager(company=companies[number // BUYERS_OF_A_COMPANY], user=user, role=Role.BUYER)
        for number, user in enumerate(users)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    print(json.dumps([_session(user) for user in users]))


def _session(user: User) -> str:
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = "accounts.backends.SeatsBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    return str(store.session_key)


def carts(how: str) -> None:
    """Fill the carts, and print for each buyer in order the cart's token and its total."""
    ours = AccountManager.objects.filter(company__loyalty_account_id__startswith="BENCH-")
    seats = list(ours.order_by("id"))
    products = list(Product.objects.filter(sku__startswith="BENCH-").order_by("sku"))
    CartLine.objects.all().delete()
    Cart.objects.all().delete()
    full = Cart.objects.bulk_create(Cart(seat=seat, token=uuid.uuid4()) for seat in seats)
    chosen = [
        products[number * 7 % PRODUCTS if how == "spread" else 0] for number in range(len(full))
    ]
    CartLine.objects.bulk_create(
        CartLine(cart=cart, product=product, quantity=1)
        for cart, product in zip(full, chosen, strict=True)
    )
    print(
        json.dumps(
            [
                [str(cart.token), product.points_cost]
                for cart, product in zip(full, chosen, strict=True)
            ]
        )
    )


if __name__ == "__main__":
    if sys.argv[1] == "setup":
        setup(int(sys.argv[2]))
    else:
        carts(sys.argv[2])
