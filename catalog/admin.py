"""Admin pages for products, categories and families."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from catalog.backoffice.bulk.views import BulkEditing, bulk_edit
from catalog.cards import safe_html
from catalog.models import Category, Family, Product, ProductType, StockStatus
from catalog.selectors import search_query
from catalog.services import save_product
from loyalty_portal.admin_site.base import PortalAdmin, badge
from loyalty_portal.admin_site.verbs import actor_of

MOST_MEMBERS = 100  # how many members a family's page lists
_STOCK = {
    StockStatus.IN_STOCK: ("ok", ""),
    StockStatus.LOW: ("warn", "trending_down"),
    StockStatus.OUT: ("bad", "production_quantity_limits"),
}
_TYPES = {
    ProductType.PHYSICAL: ("quiet", "local_shipping"),
    ProductType.VIRTUAL: ("live", "mail"),
}


@admin.register(Product)
class ProductAdmin(BulkEditing):
    """Admin pages of products. Stock is shown read-only here and edited in `inventory`."""

    list_display = [
        "picture", "name_shown", "sku", "category", "points", "kind", "stock", "state",
    ]  # fmt: skip
    actions = [bulk_edit]
    list_display_links = ["name_shown"]
    list_select_related = ["category"]
    list_filter = ["is_active", "product_type", "stock_status", "minimum_tier", "category"]
    search_fields = ["name", "sku"]
    search_help_text = _("Name, brand or SKU")
    autocomplete_fields = ["family"]
    fieldsets = [
        (None, {"fields": [("name", "sku"), ("brand", "category"), ("product_type", "is_active")]}),
        (_("Points"), {"fields": [("points_cost", "minimum_tier")]}),
        (
            _("On offer"),
            {
                "fields": ["available_from", "available_until"],
                "description": _("Times are in UTC."),
            },
        ),
        (_("Family"), {"fields": [("family", "variant"), "variant_position"]}),
        (_("Description"), {"fields": ["description", "preview"]}),
        (_("Picture"), {"fields": ["image_url", "picture_large"]}),
        (_("Record"), {"fields": [("slug", "stock"), ("shown_as_card", "created_at"), "source"]}),
    ]
    add_fieldsets = fieldsets[:4]
    readonly_fields = [
        "slug", "stock", "shown_as_card", "created_at", "preview", "picture_large",
    ]  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Product], search_term: str
    ) -> tuple[QuerySet[Product], bool]:
        """Search with the catalogue's full-text index, which stays fast with a million products."""
        query = search_query(search_term)
        return (queryset.filter(search=query) if query else queryset), False

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> list[str]:
        """Make the product type read-only on an existing product: stock and orders depend on it."""
        return [*self.readonly_fields, "product_type"] if obj else list(self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        save_product(product=obj, by=actor_of(request), fields=form.columns if change else None)

    @admin.display(description="")
    def picture(self, product: Product) -> SafeString:
        return format_html('<img class="thumb" src="{}" alt="">', product.picture_url)

    @admin.display(description=_("shown now"))
    def picture_large(self, product: Product) -> SafeString:
        return format_html('<img class="picture" src="{}" alt="">', product.picture_url)

    @admin.display(description=_("name"), ordering="name")
    def name_shown(self, product: Product) -> SafeString:
        detail = " · ".join(part for part in (product.brand, product.variant) if part)
        return format_html(
            '<span class="two-lines"><b>{}</b><small>{}</small></span>', product.name, detail
        )

    @admin.display(description=_("points"), ordering="points_cost")
    def points(self, product: Product) -> SafeString:
        return format_html('<span class="figure">{}</span>', f"{product.points_cost:,}")

    @admin.display(description=_("type"), ordering="product_type")
    def kind(self, product: Product) -> SafeString:
        tone, icon = _TYPES[ProductType(product.product_type)]
        return badge(tone, product.get_product_type_display(), icon=icon)

    @admin.display(description=_("stock"), ordering="stock_status")
    def stock(self, product: Product) -> SafeString:
        tone, icon = _STOCK[StockStatus(product.stock_status)]
        return badge(tone, product.get_stock_status_display(), icon=icon)

    @admin.display(description=_("state"), ordering="is_active")
    def state(self, product: Product) -> SafeString:
        if product.is_active:
            return badge("ok", _("Active"))
        return badge("quiet", _("Switched off"), icon="block")

    @admin.display(description=_("its family's card"), boolean=True)
    def shown_as_card(self, product: Product) -> bool:
        return product.is_card

    @admin.display(description=_("as the portal shows it"))
    def preview(self, product: Product) -> SafeString:
        return format_html('<div class="prose-preview">{}</div>', safe_html(product.description))


@admin.register(Category)
class CategoryAdmin(PortalAdmin[Category]):
    """Admin pages of categories, in the order in which the catalogue shows them."""

    list_display = ["name", "slug", "motif", "position", "product_count"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    fields = [("name", "slug"), ("motif", "position")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        return super().get_queryset(request).annotate(product_total=Count("products"))

    @admin.display(description=_("products"), ordering="product_total")
    def product_count(self, category: Category) -> int:
        return int(getattr(category, "product_total", 0))


@admin.register(Family)
class FamilyAdmin(PortalAdmin[Family]):
    """Admin pages of families: products that differ by size, colour or value."""

    list_display = ["name", "code", "product_count"]
    search_fields = ["name", "code"]
    search_help_text = _("Name or code")
    ordering = ["name", "id"]
    fields = ["name", "code", "options", "members"]
    readonly_fields = ["members"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Family]:
        return super().get_queryset(request).annotate(product_total=Count("products"))

    @admin.display(description=_("products"), ordering="product_total")
    def product_count(self, family: Family) -> int:
        return int(getattr(family, "product_total", 0))

    @admin.display(description=_("products"))
    def members(self, family: Family) -> SafeString | str:
        """Links to the products of this family. Products are added to it on their own pages."""
        products = family.products.order_by("variant_position", "points_cost", "variant")
        rows = (
            (reverse("admin:catalog_product_change", args=[one.pk]), one.name, one.sku)
            for one in products[:MOST_MEMBERS]
        )
        row = '<li><a href="{}">{}</a> <span class="muted">{}</span></li>'
        listed = format_html_join("", row, rows)
        return format_html('<ul class="members">{}</ul>', listed) if listed else "–"
