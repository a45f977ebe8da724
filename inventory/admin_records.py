"""The records of the stock in the admin: documents, movements, reservations, low-stock rules."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import F, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.models import Product
from catalog.search.finding import with_words
from catalog.selectors import search_words
from inventory.documents.views import workbench
from inventory.marks import set_rule
from inventory.models import (
    DocumentKind,
    LowStockRule,
    MovementKind,
    Reservation,
    StockDocument,
    StockMovement,
)
from inventory.movements import movement_page
from loyalty_portal.admin_site.base import ActingAdmin, KeptAdmin, ReadOnlyAdmin, badge
from loyalty_portal.admin_site.found import Branch
from loyalty_portal.data.texts.numbers import grouped, signed

MOST_LINES = 1_000  # of a document that its page shows

_KINDS = {
    MovementKind.RECEIVED: ("ok", "move_to_inbox"),
    MovementKind.ADJUSTED: ("warn", "tune"),
    MovementKind.RESERVED: ("live", "lock"),
    MovementKind.RELEASED: ("quiet", "lock_open"),
    MovementKind.CONSUMED: ("quiet", "local_shipping"),
}
_DOCUMENTS = {
    DocumentKind.RECEIPT: ("ok", "move_to_inbox"),
    DocumentKind.COUNT: ("live", "inventory"),
    DocumentKind.ADJUSTMENT: ("warn", "tune"),
}


def figure(number: int, *, with_sign: bool = False) -> SafeString:
    """A number for a column; with its sign, and a dot for zero, if it is a change."""
    if with_sign and not number:
        return format_html('<span class="figure">{}</span>', "·")
    shown = signed(number) if with_sign else grouped(number)
    return format_html('<span class="figure">{}</span>', shown)


def kind_badge(movement: StockMovement) -> SafeString:
    tone, icon = _KINDS[MovementKind(movement.kind)]
    return badge(tone, movement.get_kind_display(), icon=icon)


def told_movements(rows: list[StockMovement]) -> list[tuple[StockMovement, Any, Any, Any]]:
    """Movements with their badge and both changes, for templates."""
    return [
        (
            row,
            kind_badge(row),
            figure(row.available_change, with_sign=True),
            figure(row.reserved_change, with_sign=True),
        )
        for row in rows
    ]


class FindsProducts(ReadOnlyAdmin[Model]):
    """Searches products as the catalogue does: words of the name, the brand, the SKU."""

    search_fields = ["product__name"]
    search_help_text = gettext_lazy("Name or SKU")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_words(search_term):
            return queryset, False
        found = with_words(Product.objects.order_by(), search_term)
        return queryset.filter(product__in=found.values("pk")), False


class StockMovementAdmin(ReadOnlyAdmin[StockMovement]):
    """All stock movements: who, when, why."""

    list_display = ["created_at", "product", "kind", "reason", "by"]
    fields = [
        "product", "kind", "available_change", "reserved_change", "reason", "reference", "document",
        "by", "created_at",
    ]  # fmt: skip

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list in pages by key: counting millions of rows would take seconds."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        shown = movement_page(request)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Stock movements"),
            "media": self.media,
            "shown": shown,
            "rows": told_movements(shown.rows),
        }
        return TemplateResponse(request, "admin/inventory/movements.html", context)


class StockDocumentAdmin(ActingAdmin[StockDocument]):
    """Receipts, counts and adjustments of lists, and the page that writes them."""

    list_display = ["number", "kind_shown", "reference", "reason", "by", "created_at"]
    list_select_related = ["by"]
    list_filter = ["kind"]
    search_fields = ["number"]
    search_help_text = gettext_lazy("Number or reference, from its beginning")
    ordering = ["-id"]  # the time is in the key, which has an index
    list_before_template = "admin/inventory/_ways.html"
    page_template = "admin/inventory/document.html"

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = StockDocument.objects.order_by()
        referred = rows.exclude(reference="").filter(reference__istartswith=term)
        return [rows.filter(number__startswith=term.upper()), referred]

    def get_urls(self) -> list[URLPattern]:
        write = self.admin_site.admin_view(self.write_view)
        address = path("write/<slug:way>/", write, name=self._address("write"))
        return [address, *super().get_urls()]

    def write_view(self, request: HttpRequest, way: str) -> HttpResponse:
        """The page on which a document is made (inventory/documents/views.py)."""
        shared = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        return workbench(request, way, shared)

    def facts(self, request: HttpRequest, row: StockDocument) -> dict[str, object]:
        lines = row.movements.select_related("product__inventory").order_by("product__sku")
        return {
            "document": row,
            "kind": self.kind_shown(row),
            "lines": [
                (each, figure(each.available_change, with_sign=True)) for each in lines[:MOST_LINES]
            ],
            "more": max(0, row.movements.count() - MOST_LINES),
        }

    @admin.display(description=gettext_lazy("kind"))
    def kind_shown(self, row: StockDocument) -> SafeString:
        tone, icon = _DOCUMENTS[DocumentKind(row.kind)]
        return badge(tone, row.get_kind_display(), icon=icon)


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


class ReservationAdmin(ReadOnlyAdmin[Reservation]):
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
    search_fields = ["product__name"]
    search_help_text = gettext_lazy("Name or SKU")
    ordering = ["-id"]  # the time is in the key, which has an index
    fields = ["product", "reference", "quantity", "released", "consumed", "open", "created_at"]
    readonly_fields = ["open"]

    def found_by(self, term: str) -> Sequence[Branch]:
        rows = Reservation.objects.order_by()
        if not search_words(term):
            return [rows.none()]
        found = with_words(Product.objects.order_by(), term)
        return [rows.filter(product__in=found.values("pk"))]


class LowStockRuleAdmin(KeptAdmin[LowStockRule]):
    """From how many pieces on the products of a category are low, and how many days ahead."""

    list_display = ["category", "low_stock_at", "days_ahead"]
    list_select_related = ["category"]
    search_fields = ["category__name"]
    autocomplete_fields = ["category"]
    fields = ["category", "low_stock_at", "days_ahead"]
    ordering = ["category__name", "id"]
    sortable_by = ["category", "low_stock_at", "days_ahead"]

    def get_readonly_fields(
        self, request: HttpRequest, obj: LowStockRule | None = None
    ) -> list[str]:
        return ["category"] if obj else []

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        made = set_rule(
            category=obj.category, low_stock_at=obj.low_stock_at, days_ahead=obj.days_ahead
        )
        obj.pk = made.pk
