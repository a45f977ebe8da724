"""Stock in the admin portal: numbers that only the services change, and the record of every
change.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.models import StockStatus
from inventory import services
from inventory.admin_records import (
    FindsProducts,
    LowStockRuleAdmin,
    ReservationAdmin,
    StockDocumentAdmin,
    StockMovementAdmin,
    figure,
    kind_badge,
)
from inventory.forms import AdjustForm, CountForm, LowMarkForm, ReceiveForm, StopCountingForm
from inventory.home import told_pace
from inventory.marks import set_low_mark
from inventory.models import (
    Inventory,
    LowStockRule,
    Reservation,
    StockDocument,
    StockMovement,
)
from inventory.selectors import last_change, paces
from inventory.shelves import StockError
from loyalty_portal.admin_site.base import ActingAdmin, badge
from loyalty_portal.admin_site.lists import PortalList
from loyalty_portal.admin_site.verbs import Verb
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.numbers import grouped

admin.site.register(StockMovement, StockMovementAdmin)
admin.site.register(StockDocument, StockDocumentAdmin)
admin.site.register(Reservation, ReservationAdmin)
admin.site.register(LowStockRule, LowStockRuleAdmin)

RECENT = 25  # movements on a product's page

_STATUS = {
    StockStatus.IN_STOCK: ("ok", ""),
    StockStatus.LOW: ("warn", "trending_down"),
    StockStatus.OUT: ("bad", "production_quantity_limits"),
}

_NO_FIGURE = mark_safe('<span class="figure">–</span>')

Move = Callable[[Inventory, dict[str, Any], Any], str]


def _once(move: Move) -> Move:
    """Wrap `move` so that it raises StockError for a form older than the shelf: sent twice, it
    would count twice.
    """

    @transaction.atomic
    def checked(stock: Inventory, data: dict[str, Any], by: Actor) -> str:
        held = Inventory.objects.select_for_update().select_related("product").get(pk=stock.pk)
        if held.on_shelf != data["seen"]:
            raise StockError(
                _(
                    "The shelf has changed since this page was made: it showed %(before)s, now "
                    "there are %(now)s. %(why)s"
                )
                % {
                    "before": grouped(data["seen"]),
                    "now": grouped(held.on_shelf),
                    "why": last_change(held.product_id),
                }
            )
        return move(held, data, by)

    return checked


def _receive(stock: Inventory, data: dict[str, Any], by: Actor) -> str:
    quantity = data["quantity"]
    services.receive(product=stock.product, quantity=quantity, reason=data["reason"], by=by)
    return ngettext("%(n)s piece received.", "%(n)s pieces received.", quantity) % {"n": quantity}


def _count(stock: Inventory, data: dict[str, Any], by: Actor) -> str:
    change = services.count(
        product=stock.product, counted=data["quantity"], reason=data["reason"], by=by
    )
    if not change:
        return _("Counted: the records were right.")
    return _("Counted: the records were off by %(change)+d and are corrected.") % {"change": change}


def _adjust(stock: Inventory, data: dict[str, Any], by: Actor) -> str:
    services.adjust(product=stock.product, change=data["quantity"], reason=data["reason"], by=by)
    return _("Adjusted by %(change)+d.") % {"change": data["quantity"]}


def _stop_counting(stock: Inventory, data: dict[str, Any], by: Actor) -> str:
    services.stop_counting(product=stock.product, reason=data["reason"], by=by)
    return _("The stock is not counted any more: it can always be redeemed.")


def _start_counting(stock: Inventory, data: dict[str, Any], by: Actor) -> str:
    services.start_counting(
        product=stock.product, counted=data["quantity"], reason=data["reason"], by=by
    )
    return _("The stock is counted from now on.")


def _low_mark(stock: Inventory, data: dict[str, Any], by: Actor) -> str:
    kept = set_low_mark(product=stock.product, low_stock_at=data["low_stock_at"])
    return _("Low from %(number)s pieces on.") % {"number": grouped(kept.low_stock_at)}


class PacedList(PortalList):
    """A list of stock whose rows know how fast they are redeemed, by one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        found = paces(rows)
        for row in rows:
            row.pace = found.get(row.product_id)
        self.result_list = rows


@admin.register(Inventory)
class InventoryAdmin(FindsProducts, ActingAdmin[Inventory]):
    """Stock of each product: receive, count and adjust. Numbers cannot be typed."""

    list_display = [
        "picture", "product_name", "sku", "available", "reserved", "low_stock_at", "runs_out",
        "status", "last_updated",
    ]  # fmt: skip
    list_display_links = ["product_name"]
    list_select_related = ["product"]
    list_filter = [
        "is_tracked", "product__stock_status", "product__product_type", "product__category",
    ]  # fmt: skip
    ordering = ["product__name", "id"]
    sortable_by = ["product_name", "sku"]
    autocomplete_fields = ["product"]
    fields = ["product", "low_stock_at"]
    page_template = "admin/inventory/stock.html"
    refusals = (StockError,)
    verbs = {
        "receive": Verb(
            gettext_lazy("Receive"), "inventory.move_stock", _once(_receive), ReceiveForm
        ),
        "count": Verb(
            gettext_lazy("Set the count"), "inventory.move_stock", _once(_count), CountForm
        ),
        "adjust": Verb(gettext_lazy("Adjust"), "inventory.move_stock", _once(_adjust), AdjustForm),
        "stop_counting": Verb(
            gettext_lazy("Stop counting"),
            "inventory.move_stock",
            _once(_stop_counting),
            StopCountingForm,
        ),
        "start_counting": Verb(
            gettext_lazy("Start counting"),
            "inventory.move_stock",
            _once(_start_counting),
            CountForm,
        ),
        "low_mark": Verb(
            gettext_lazy("Save"), "inventory.change_inventory", _low_mark, LowMarkForm
        ),
    }

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the person may add a product to the stock, with no pieces at first."""
        return request.user.has_perm("inventory.add_inventory")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        made = set_low_mark(product=obj.product, low_stock_at=obj.low_stock_at)
        obj.pk = made.pk

    def first_values(self, row: Inventory) -> dict[str, object]:
        return {
            "seen": row.on_shelf,
            "low_stock_at": row.low_stock_at if row.has_own_mark else None,
        }

    def facts(self, request: HttpRequest, row: Inventory) -> dict[str, object]:
        movements = row.product.movements.select_related("by", "document")[:RECENT]
        pace = paces([row]).get(row.product_id)
        open_ones = row.product.reservations.filter(quantity__gt=F("released") + F("consumed"))
        return {
            "title": row.product.name,
            "stock": row,
            "state": _badge(row),
            "pace": pace,
            "runs_out": told_pace(pace),
            "movements": [
                (
                    each,
                    kind_badge(each),
                    figure(each.available_change, with_sign=True),
                    figure(each.reserved_change, with_sign=True),
                )
                for each in movements
            ],
            "reservations": open_ones.order_by("created_at")[:RECENT],
        }

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[PortalList]:
        return PacedList

    @admin.display(description=gettext_lazy("runs out"))
    def runs_out(self, stock: Inventory) -> str:
        return told_pace(getattr(stock, "pace", None))

    @admin.display(description="")
    def picture(self, stock: Inventory) -> SafeString:
        return format_html('<img class="thumb" src="{}" alt="">', stock.product.picture_url)

    @admin.display(description=gettext_lazy("product"), ordering="product__name")
    def product_name(self, stock: Inventory) -> str:
        return stock.product.name

    @admin.display(description="SKU", ordering="product__sku")
    def sku(self, stock: Inventory) -> str:
        return stock.product.sku

    @admin.display(description=gettext_lazy("available"))
    def available(self, stock: Inventory) -> SafeString:
        return figure(stock.quantity_available) if stock.is_tracked else _NO_FIGURE

    @admin.display(description=gettext_lazy("reserved"))
    def reserved(self, stock: Inventory) -> SafeString:
        return figure(stock.quantity_reserved)

    @admin.display(description=gettext_lazy("status"))
    def status(self, stock: Inventory) -> SafeString:
        return _badge(stock)


def _badge(stock: Inventory) -> SafeString:
    if not stock.is_tracked:
        return badge("ok", _("Not counted"), icon="all_inclusive")
    status = StockStatus(stock.product.stock_status)
    tone, icon = _STATUS[status]
    return badge(tone, status.label, icon=icon)
