"""Branches of the searches of the lists about orders: each is answered by one index."""

from typing import Any

from django.db.models import QuerySet

from accounts.backoffice.finding import company_keys, seat_keys
from catalog.models import Product
from loyalty_portal.admin_site.found import Branch, newest_of
from loyalty_portal.data.ids import order_number_in
from redemption.models import RedemptionOrder


def numbered(term: str) -> QuerySet[RedemptionOrder]:
    """The orders with this number, or whose number begins with it."""
    orders = RedemptionOrder.objects.order_by()
    if whole := order_number_in(term):
        return orders.filter(order_number=whole)
    return orders.filter(order_number__startswith=term.upper())


def orders_found(term: str) -> list[Branch]:
    """Orders by their number or reference, the company, or the person who placed them."""
    orders = RedemptionOrder.objects.order_by()
    return [
        numbered(term),
        orders.exclude(reference="").filter(reference__istartswith=term),
        *newest_of(orders, "company", company_keys(term), by="-created_at"),
        *newest_of(orders, "account_manager", seat_keys(term), by="-created_at"),
    ]


def lines_found(lines: QuerySet[Any], term: str) -> list[Branch]:
    """Lines by the number of their order, their SKU, or the recipient's e-mail."""
    products = Product.objects.filter(sku__iexact=term)
    rows = lines.order_by()
    return [
        rows.filter(order__in=numbered(term)),
        *newest_of(rows, "product", products.values_list("pk", flat=True)),
        rows.filter(recipient_email__istartswith=term),
    ]
