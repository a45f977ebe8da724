"""What the stock adds to the admin's first page and its menu."""

from collections.abc import Iterator

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.models import StockStatus
from inventory import selectors
from inventory.models import Inventory
from inventory.selectors import Pace, paces, told_days
from loyalty_portal.admin_site.home import (
    SHOWN,
    HomeCard,
    HomeLine,
    Part,
    WorkList,
    menu_count,
    waiting_count,
)

LOOKED_AT = 100  # of the products with the fewest pieces; those that run out first are shown


def short_stock(request: HttpRequest) -> Iterator[Part]:
    """How many products are out and low, and those of the low ones that run out first."""
    if not request.user.has_perm("inventory.view_inventory"):
        return
    there = reverse("admin:inventory_inventory_changelist")
    out = selectors.short_stock().filter(product__stock_status=StockStatus.OUT)
    low = selectors.short_stock().filter(product__stock_status=StockStatus.LOW)
    numbers = waiting_count("out", out), waiting_count("low", low)
    for number, status, title, says, icon, tone in (
        (
            numbers[0], StockStatus.OUT, _("Out"), _("products nobody can redeem"),
            "production_quantity_limits", "bad",
        ),
        (
            numbers[1], StockStatus.LOW, _("Low"), _("products that run out soon"),
            "trending_down", "warn",
        ),
    ):  # fmt: skip
        address = f"{there}?product__stock_status__exact={status}"
        yield HomeCard(_("Stock"), title, number, says, address, icon, tone)
    lines = _run_out_first(
        list(low.select_related("product").order_by("quantity_available")[:LOOKED_AT])
    )
    yield WorkList(
        title=_("Low stock, what runs out first"),
        lines=lines[:SHOWN],
        empty=_("None. Every counted product has enough."),
        more=numbers[1] - len(lines[:SHOWN]),
        href=f"{there}?product__stock_status__exact={StockStatus.LOW}",
    )


def _run_out_first(shelves: list[Inventory]) -> list[HomeLine]:
    found = paces(shelves)

    def days(row: Inventory) -> int:
        left = found[row.product_id].days_left if row.product_id in found else None
        return 10**6 if left is None else left

    return [
        HomeLine(
            href=reverse("admin:inventory_inventory_change", args=[row.pk]),
            name=row.product.sku,
            more=f"{row.product.name} · {_left(row)}",
            end=told_pace(found.get(row.product_id)),
        )
        for row in sorted(shelves, key=days)
    ]


def _left(row: Inventory) -> str:
    number = row.quantity_available
    return ngettext("%(n)s piece", "%(n)s pieces", number) % {"n": number}


def told_pace(pace: Pace | None) -> str:
    """When a product runs out, in a few words; a dash where nothing is counted or redeemed."""
    days = pace.days_left if pace else None
    if pace is None or days is None or not pace.available:
        return "–"
    return told_days(days)


def short_badge(request: HttpRequest) -> str:  # noqa: ARG001 - the theme's signature
    return menu_count("short", selectors.short_stock())
