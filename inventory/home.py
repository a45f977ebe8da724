"""What the stock adds to the admin's first page and its menu."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog.models import StockStatus
from inventory import selectors
from inventory.models import Inventory
from inventory.selectors import Pace, paces, told_days
from loyalty_portal.admin_site.counts import Waiting, menu_badge, waiting_counts
from loyalty_portal.admin_site.home import (
    SHOWN,
    HomeCard,
    HomeLine,
    Part,
    WorkList,
)
from loyalty_portal.data.actor import Actor

LOOKED_AT = 100  # of the products with the fewest pieces; those that run out first are shown


def short_stock(request: HttpRequest) -> Iterator[Part]:
    """How many products are out and low, and those of the low ones that run out first."""
    if not request.user.has_perm("inventory.view_inventory"):
        return
    there = reverse("admin:inventory_inventory_changelist")
    waits = waiting_counts(request)
    numbers = waits["stock that is out"], waits["low stock"]
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
    fewest = _short(StockStatus.LOW).select_related("product").order_by("quantity_available")
    yield WorkList(
        title=_("Low stock, what runs out first"),
        rows=fewest[:LOOKED_AT],
        lines=lambda rows: _run_out_first(rows)[:SHOWN],
        empty=_("None. Every counted product has enough."),
        number=numbers[1],
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


def _short(status: StockStatus) -> QuerySet[Inventory]:
    return selectors.short_stock().filter(product__stock_status=status)


def waiting(actor: Actor) -> Iterator[Waiting]:
    """The stock of products that are low or out."""
    if actor.has_perm("inventory.view_inventory"):
        yield Waiting("short stock", selectors.short_stock())
        yield Waiting("stock that is out", _short(StockStatus.OUT))
        yield Waiting("low stock", _short(StockStatus.LOW))


short_badge = menu_badge("short stock")
