"""Rows on the pages of products and families: pictures, and variants."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from catalog.backoffice.forms import PictureForm
from catalog.backoffice.variants import (
    MOST_OPTIONS,
    VariantForm,
    VariantFormSet,
    option_names,
    variant_form,
)
from catalog.models import Family, Product, ProductPicture
from loyalty_portal.admin_site.base import Choosing, TabularInline

ROWS = 50  # of the grid on one page; a form has at most 1,000 fields
FIRST_ROWS = 6  # empty ones for a new family


class PictureInline(TabularInline[ProductPicture, Product]):
    """The uploaded pictures of a product. Who may change the product may change these."""

    model = ProductPicture
    form = PictureForm
    fields = ["shown", "alt", "position"]
    readonly_fields = ["shown"]
    extra = 0
    verbose_name_plural = _("Pictures, the first one stands for the product")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # they are uploaded in the product's form

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("catalog.view_product")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("catalog.change_product")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("catalog.change_product")

    @admin.display(description=_("picture"))
    def shown(self, picture: ProductPicture) -> SafeString:
        return format_html(
            '<a href="{}"><img class="thumb" src="{}" alt="{}" width="48" height="36"></a>',
            picture.address(1280),
            picture.address(320),
            picture.alt or _("Picture"),
        )


class VariantInline(Choosing[Product], TabularInline[Product, Family]):
    """The variants of a family, as a grid."""

    model = Product
    form = VariantForm
    formset = VariantFormSet
    fields = ["sku", "variant", "points_cost", "is_active", "more"]
    readonly_fields = ["more"]
    ordering = ["variant_position", "points_cost", "variant", "id"]
    per_page = ROWS
    verbose_name = _("variant")
    verbose_name_plural = _("Variants")
    can_delete = False

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        return 1 if obj else FIRST_ROWS

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Make the rows for the options that are being saved, or for those of the family."""
        names = stored = option_names(obj.options) if obj else []
        if request.method == "POST":
            names = option_names(request.POST.get("options", ""))[:MOST_OPTIONS]
        boxes = max(len(names), len(stored), 1) if obj else MOST_OPTIONS
        form = variant_form(names, boxes=min(boxes, MOST_OPTIONS))
        return super().get_formset(request, obj, **{"form": form, **kwargs})

    @admin.display(description=_("its page"))
    def more(self, product: Product) -> SafeString | str:
        """A link to the page of the variant, where its pictures are."""
        if product.pk is None or not product.slug:
            return "–"
        return format_html(
            '<a class="link" href="{}">{}</a>',
            reverse("admin:catalog_product_change", args=[product.pk]),
            product.name,
        )


def rows_of(formset: Any) -> Sequence[VariantForm]:
    """The rows that were typed: changed ones, and new ones that are not empty."""
    return [form for form in formset.forms if form.has_changed()]
