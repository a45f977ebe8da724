"""Stock in the admin portal: numbers that only the services change, and the record of every
change.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import F, Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.models import StockStatus
from catalog.selectors import search_query
from inventory import services
from inventory.forms import AdjustForm, CountForm, LowMarkForm, ReceiveForm, StopCountingForm
from inventory.models import Inventory, MovementKind, Reservation, StockMovement
from loyalty_portal.admin_site.base import ActingAdmin, ReadOnlyAdmin, badge
from loyalty_portal.admin_site.verbs import Verb
from loyalty_portal.data.actor import Actor

RECENT = 25  # movements on a product's page

_STATUS = {
    StockStatus.IN_STOCK: ("ok", ""),
    StockStatus.LOW: ("warn", "trending_down"),
    StockStatus.OUT: ("bad", "production_quantity_limits"),
}
_KINDS = {
    MovementKind.RECEIVED: ("ok", "move_to_inbox"),
    MovementKind.ADJUSTED: ("warn", "tune"),
    MovementKind.RESERVED: ("live", "lock"),
    MovementKind.RELEASED: ("quiet", "lock_open"),
    MovementKind.CONSUMED: ("quiet", "local_shipping"),
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
        if held.quantity_available + held.quantity_reserved != data["seen"]:
            raise services.StockError(
                _("The shelf has changed since this page was made. Look at the numbers again.")
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
    services.set_low_mark(product=stock.product, low_stock_at=data["low_stock_at"])
    return _("Low from %(number)s pieces on.") % {"number": data["low_stock_at"]}


class _FindsProducts(ReadOnlyAdmin[Model]):
    """Searches products with the catalogue's own index: words of the name, the brand, the SKU."""

    search_fields = ["product__name"]
    search_help_text = gettext_lazy("Name or SKU")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        query = search_query(search_term)
        return (queryset.filter(product__search=query) if query else queryset), False


@admin.register(Inventory)
class InventoryAdmin(_FindsProducts, ActingAdmin[Inventory]):
    """Stock of each product: receive, count and adjust. Numbers cannot be typed."""

    list_display = [
        "picture", "product_name", "sku", "available", "reserved", "low_stock_at", "status",
        "last_updated",
    ]  # fmt: skip
    list_display_links = ["product_name"]
    list_select_related = ["product"]
    list_filter = [
        "is_tracked", "product__stock_status", "product__product_type", "product__category",
    ]  # fmt: skip
    ordering = ["product__name", "id"]
    autocomplete_fields = ["product"]
    fields = ["product", "low_stock_at"]
    page_template = "admin/inventory/stock.html"
    refusals = (services.StockError,)
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
        made = services.set_low_mark(product=obj.product, low_stock_at=obj.low_stock_at)
        obj.pk = made.pk

    def first_values(self, row: Inventory) -> dict[str, object]:
        return {
            "seen": row.quantity_available + row.quantity_reserved,
            "low_stock_at": row.low_stock_at,
        }

    def facts(self, request: HttpRequest, row: Inventory) -> dict[str, object]:
        movements = row.product.movements.select_related("by")[:RECENT]
        open_ones = row.product.reservations.filter(quantity__gt=F("released") + F("consumed"))
        return {
            "title": row.product.name,
            "stock": row,
            "state": _badge(row),
            "on_shelf": row.quantity_available + row.quantity_reserved,
            "movements": [
                (
                    each,
                    _kind(each),
                    _figure(each.available_change, signed=True),
                    _figure(each.reserved_change, signed=True),
                )
                for each in movements
            ],
            "reservations": open_ones.order_by("created_at")[:RECENT],
        }

    @admin.display(description="")
    def picture(self, stock: Inventory) -> SafeString:
        return format_html('<img class="thumb" src="{}" alt="">', stock.product.picture_url)

    @admin.display(description=gettext_lazy("product"), ordering="product__name")
    def product_name(self, stock: Inventory) -> str:
        return stock.product.name

    @admin.display(description="SKU", ordering="product__sku")
    def sku(self, stock: Inventory) -> str:
        return stock.product.sku

    @admin.display(description=gettext_lazy("available"), ordering="quantity_available")
    def available(self, stock: Inventory) -> SafeString:
        return _figure(stock.quantity_available) if stock.is_tracked else _NO_FIGURE

    @admin.display(description=gettext_lazy("reserved"), ordering="quantity_reserved")
    def reserved(self, stock: Inventory) -> SafeString:
        return _figure(stock.quantity_reserved)

    @admin.display(description=gettext_lazy("status"), ordering="product__stock_status")
    def status(self, stock: Inventory) -> SafeString:
        return _badge(stock)


@admin.register(StockMovement)
class StockMovementAdmin(_FindsProducts, ReadOnlyAdmin[StockMovement]):
    """All stock movements: who, when, why."""

    list_display = ["created_at", "product", "kind_shown", "available", "reserved", "reason", "by"]
    list_select_related = ["product", "by"]
    list_filter = ["kind", "created_at"]
    fields = [
        "product", "kind", "available_change", "reserved_change", "reason", "reference", "by",
        "created_at",
    ]  # fmt: skip

    @admin.display(description=gettext_lazy("kind"), ordering="kind")
    def kind_shown(self, movement: StockMovement) -> SafeString:
        return _kind(movement)

    @admin.display(description=gettext_lazy("available"))
    def available(self, movement: StockMovement) -> SafeString:
        return _figure(movement.available_change, signed=True)

    @admin.display(description=gettext_lazy("reserved"))
    def reserved(self, movement: StockMovement) -> SafeString:
        return _figure(movement.reserved_change, signed=True)


class OpenFilter(admin.SimpleListFilter):
    """Filters reservations: those that still hold pieces, or those that are over."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", _("Holds pieces")), ("spent", _("Spent"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        spent = F("released") + F("consumed")
        if self.value() == "open":
            return queryset.filter(quantity__gt=spent)
        return queryset.filter(quantity=spent) if self.value() == "spent" else queryset


@admin.register(Reservation)
class ReservationAdmin(_FindsProducts, ReadOnlyAdmin[Reservation]):
    """Reservations: the pieces that each order line holds."""

    list_display = [
        "created_at",
        "product",
        "quantity",
        "released",
        "consumed",
        "open",
        "reference",
    ]
    list_select_related = ["product"]
    list_filter = [OpenFilter]
    ordering = ["-created_at", "-id"]
    fields = ["product", "reference", "quantity", "released", "consumed", "open", "created_at"]
    readonly_fields = ["open"]


def _badge(stock: Inventory) -> SafeString:
    if not stock.is_tracked:
        return badge("ok", _("Not counted"), icon="all_inclusive")
    status = StockStatus(stock.product.stock_status)
    tone, icon = _STATUS[status]
    return badge(tone, status.label, icon=icon)


def _kind(movement: StockMovement) -> SafeString:
    tone, icon = _KINDS[MovementKind(movement.kind)]
    return badge(tone, movement.get_kind_display(), icon=icon)


def _figure(number: int, *, signed: bool = False) -> SafeString:
    if signed and not number:
        return format_html('<span class="figure">{}</span>', "·")
    shown = f"{number:+,}".replace("-", "−") if signed else f"{number:,}"
    return format_html('<span class="figure">{}</span>', shown)
