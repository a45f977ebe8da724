"""Signs an owner of the demo in, with something in their cart, and prints their session and the addresses
of the pages as JSON.
"""

import json
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.test import Client

from accounts.models import AccountManager
from catalog.models import Product, ProductType, StockStatus
from redemption.checkout.cart.services import add_to_cart
from redemption.models import RedemptionOrder
from redemption.states import OrderStatus

WHO = "mara@northwind.example"


def main() -> None:
    seat = AccountManager.objects.select_related("user", "company").get(user__email=WHO)
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(seat.user, backend="accounts.backends.SeatsBackend")
    shelf = Product.objects.filter(
        is_active=True, product_type=ProductType.PHYSICAL, stock_status=StockStatus.IN_STOCK
    )
    product = shelf.select_related("inventory").order_by("slug")[0]
    add_to_cart(seat=seat, product=product, quantity=1)
    order = RedemptionOrder.objects.filter(
        company=seat.company, status=OrderStatus.COMPLETED
    ).latest("created_at")
    pages = {
        "catalogue": "/catalog/",
        "product": product.get_absolute_url(),
        "checkout": "/checkout/",
        "order": order.get_absolute_url(),
        "points": "/points/",
    }
    print(json.dumps({"session": client.cookies["sessionid"].value, "pages": pages}))


if __name__ == "__main__":
    main()
