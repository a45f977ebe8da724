"""Admin pages for products, categories and families."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from catalog.backoffice.admin_rows import PictureInline, VariantInline, rows_of
from catalog.backoffice.bulk.views import BulkEditing, bulk_edit
from catalog.backoffice.exchange.views import Exchanging, export
from catalog.backoffice.forms import FamilyForm, ProductForm
from catalog.backoffice.services import add_variant, views_for
from catalog.backoffice.views import as_company, keep_view, preview, take_view_away
from catalog.models import Category, Family, Product, ProductType, StockStatus, Synonym
from catalog.pictures.images import PictureError
from catalog.pictures.services import add_pictures, copy_pictures, settle_cover
from catalog.search.finding import with_words
from catalog.selectors import stored_product, variant_to_follow
from catalog.services import save_product
from catalog.texts.words import safe_html
from loyalty_portal.admin_site.base import PortalAdmin, badge
from loyalty_portal.admin_site.counts import told
from loyalty_portal.admin_site.found import Branch, number_of
from loyalty_portal.admin_site.found import with_words as with_family_words
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.data.texts.numbers import grouped

# What a copy takes over. Its SKU is its own, and it is offered once somebody has looked at it.
COPIED = (
    "name", "brand", "category", "product_type", "points_cost", "minimum_tier", "available_from",
    "available_until", "family", "description", "image_url", "validity", "usable_at",
    "delivery_days", "terms",
)  # fmt: skip
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
class ProductAdmin(Exchanging, BulkEditing):
    """Admin pages of products. Stock is shown read-only here and edited in `inventory`."""

    list_display = [
        "picture", "name_shown", "sku", "category", "points", "kind", "stock", "state",
    ]  # fmt: skip
    actions = [bulk_edit, export]
    works_on_all = True
    actions_list = ["import_page"]
    list_before_template = "admin/catalog/_saved_views.html"
    list_display_links = ["name_shown"]
    list_select_related = ["category"]
    list_filter = ["is_active", "product_type", "stock_status", "minimum_tier", "category"]
    search_fields = ["name"]
    sortable_by = ["name_shown", "sku"]
    search_help_text = _("Name, brand or SKU")
    autocomplete_fields = ["family"]
    form = ProductForm
    inlines = [PictureInline]
    change_form_before_template = "admin/catalog/_product_links.html"
    fieldsets = [
        (None, {"fields": [("name", "sku"), ("brand", "category"), ("product_type", "is_active")]}),
        (_("Points"), {"fields": [("points_cost", "minimum_tier")]}),
        (
            _("On offer"),
            {
                "fields": ["available_from", "available_until"],
                "description": _("Times are in your time zone."),
            },
        ),
        (_("Family"), {"fields": [("family", "variant"), "variant_position"]}),
        (_("Description"), {"fields": ["description", "preview"]}),
        (_("What you get"), {"fields": ["validity", "usable_at", "delivery_days", "terms"]}),
        (_("Pictures"), {"fields": ["new_pictures", "picture_large", "image_url", "copied_from"]}),
        (_("Record"), {"fields": [("slug", "stock"), ("shown_as_card", "created_at"), "source"]}),
    ]
    add_fieldsets = fieldsets[:7]
    readonly_fields = [
        "slug", "stock", "shown_as_card", "created_at", "preview", "picture_large",
    ]  # fmt: skip

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Product], search_term: str
    ) -> tuple[QuerySet[Product], bool]:
        """Search as the catalogue does, which stays fast with a million products."""
        return with_words(queryset, search_term), False

    def get_readonly_fields(self, request: HttpRequest, obj: Product | None = None) -> list[str]:
        """Make the product type read-only on an existing product: stock and orders depend on it."""
        return [*self.readonly_fields, "product_type"] if obj else list(self.readonly_fields)

    def get_inlines(self, request: HttpRequest, obj: Product | None) -> Any:
        """Leave out the rows of pictures while there is no product that could have any."""
        return super().get_inlines(request, obj) if obj else []

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        view, seen_by, gone = guard(preview), guard(as_company), guard(take_view_away)
        return [
            path("as-company/", seen_by, name="catalog_product_as_company"),
            path("as-company/<uuid:object_id>/", seen_by, name="catalog_product_seen_by"),
            path("views/", guard(keep_view), name="catalog_product_keep_view"),
            path("views/<uuid:object_id>/away/", gone, name="catalog_product_view_away"),
            path("preview/", view, name="catalog_product_preview_new"),
            path("<uuid:object_id>/preview/", view, name="catalog_product_preview"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the saved views above the list."""
        more = {"saved_views": views_for(actor_of(request)), "query": request.GET.urlencode()}
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill the form for a copy with what the other product has, but for its SKU."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        source = stored_product(request.GET.get("copy", ""))
        if source is None:
            return initial
        fields = {name: getattr(source, name) for name in COPIED}
        return {**initial, **fields, "copied_from": source.pk}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        save_product(product=obj, by=actor_of(request), fields=form.columns if change else None)
        if form.told:
            messages.warning(request, form.told)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Save the pictures' rows, then add the new pictures, and choose the cover again."""
        super().save_related(request, form, formsets, change)
        product, by = form.instance, actor_of(request)
        try:
            source = stored_product(form.cleaned_data.get("copied_from"))
            if source is not None and not change:
                copy_pictures(source=source, product=product, by=by)
            add_pictures(product=product, pictures=form.cleaned_data["new_pictures"], by=by)
        except PictureError as error:
            messages.error(request, _("The pictures were not added: %s") % error)
        settle_cover(product=product)

    @admin.display(description="")
    def picture(self, product: Product) -> SafeString:
        return format_html('<img class="thumb" src="{}" alt="">', product.picture_url)

    @admin.display(description=_("shown now"))
    def picture_large(self, product: Product) -> SafeString | str:
        if not product.slug:
            return "–"
        return format_html('<img class="picture" src="{}" alt="">', product.picture_url)

    @admin.display(description=_("name"), ordering="name")
    def name_shown(self, product: Product) -> SafeString:
        detail = " · ".join(part for part in (product.brand, product.variant) if part)
        return format_html(
            '<span class="two-lines"><b>{}</b><small>{}</small></span>', product.name, detail
        )

    @admin.display(description=_("points"))
    def points(self, product: Product) -> SafeString:
        return format_html('<span class="figure">{}</span>', grouped(product.points_cost))

    @admin.display(description=_("type"))
    def kind(self, product: Product) -> SafeString:
        tone, icon = _TYPES[ProductType(product.product_type)]
        return badge(tone, product.get_product_type_display(), icon=icon)

    @admin.display(description=_("stock"))
    def stock(self, product: Product) -> SafeString:
        tone, icon = _STOCK[StockStatus(product.stock_status)]
        return badge(tone, product.get_stock_status_display(), icon=icon)

    @admin.display(description=_("state"))
    def state(self, product: Product) -> SafeString:
        if product.is_active:
            return badge("ok", _("Active"))
        return badge("quiet", _("Switched off"), icon="block")

    @admin.display(description=_("its family's card"), boolean=True)
    def shown_as_card(self, product: Product) -> bool:
        return product.is_card

    @admin.display(description=_("as the portal shows it"))
    def preview(self, product: Product) -> SafeString:
        stored = bool(product.slug)
        there = (
            reverse("admin:catalog_product_preview", args=[product.pk])
            if stored
            else reverse("admin:catalog_product_preview_new")
        )
        return format_html(
            '<div class="prose-preview">{}</div><button class="push" type="submit" formaction="{}"'
            ' formtarget="_blank" formnovalidate>{}</button>',
            safe_html(product.description),
            there,
            _("Preview what is typed"),
        )


@admin.register(Category)
class CategoryAdmin(PortalAdmin[Category]):
    """Admin pages of categories, in the order in which the catalogue shows them."""

    list_display = ["name", "slug", "motif", "position", "product_count"]
    sortable_by = ["name", "slug", "motif", "position"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    fields = [("name", "slug"), ("motif", "position")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        return (
            super()
            .get_queryset(request)
            .annotate(product_total=number_of(Product.objects.all(), "category"))
        )

    @admin.display(description=_("products"))
    def product_count(self, category: Category) -> str:
        return told(getattr(category, "product_total", 0))


@admin.register(Family)
class FamilyAdmin(PortalAdmin[Family]):
    """Admin pages of families: products that differ by size, colour or value."""

    list_display = ["name", "code", "product_count"]
    search_fields = ["name"]
    search_help_text = _("Name or code")
    sortable_by = ["name", "code"]
    ordering = ["name", "id"]
    form = FamilyForm
    inlines = [VariantInline]
    own: Any = (None, {"fields": [("name", "options"), "code"]})
    fieldsets = [own]
    shared = ("category", "product_type"), ("brand", "minimum_tier"), "description"
    add_fieldsets = [own, (_("The same for all variants"), {"fields": list(shared)})]

    def get_fieldsets(self, request: HttpRequest, obj: Family | None = None) -> Any:
        """Ask for what all variants share while there is no variant to take it from."""
        if obj is None or not obj.products.exists():
            return self.add_fieldsets
        return super().get_fieldsets(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Family]:
        return (
            super()
            .get_queryset(request)
            .annotate(product_total=number_of(Product.objects.all(), "family"))
        )

    def found_by(self, term: str) -> Sequence[Branch]:
        families = Family.objects.order_by()
        return [with_family_words(families, term, "name"), families.filter(code__startswith=term)]

    @admin.display(description=_("products"))
    def product_count(self, family: Family) -> str:
        return told(getattr(family, "product_total", 0))

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        """Save the rows of the grid with the catalogue's services."""
        formset.save(commit=False)  # tells the log what is new and what has changed
        family, by = form.instance, actor_of(request)
        like = variant_to_follow(family)
        for row in rows_of(formset):
            if row.instance.slug:
                save_product(product=row.instance, by=by, fields=row.columns)
                continue
            add_variant(family=family, like=like or form.pattern, variant=row.instance, by=by)
            if like is not None:
                copy_pictures(source=like, product=row.instance, by=by)
        formset.save_m2m()
        if form.told:
            messages.warning(request, form.told)


@admin.register(Synonym)
class SynonymAdmin(PortalAdmin[Synonym]):
    """Words that mean the same in the catalogue's search."""

    list_display = ["names"]
    sortable_by = ["names"]
    search_fields = ["names"]
    fields = ["names"]
