"""Pages of the back office about the catalogue as account managers see it."""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from catalog.backoffice.descriptions import cleaned_description
from catalog.cards import product_page
from catalog.forms import MOST_POINTS
from catalog.models import Product, ProductType, StockStatus
from catalog.selectors import pictures_of, stored_product, variants


def preview(request: HttpRequest, object_id: UUID | None = None) -> HttpResponse:
    """Show the product that is being typed as the portal would, without saving it."""
    if not request.user.has_perm("catalog.view_product"):
        raise PermissionDenied(_("Your staff group does not look at products."))
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    stored = stored_product(object_id)
    if object_id and stored is None:
        raise Http404
    product = stored or Product(stock_status=StockStatus.IN_STOCK)
    told = _typed_into(product, request)
    family = variants(product=product, tier_level="PLATINUM") if stored else []
    page = product_page(product, family, pictures_of(product) if stored else [])
    pictures = render_to_string("catalog/_pictures.html", {"page": page}) if stored else ""
    context = {"page": page, "told": told, "pictures": pictures}
    return TemplateResponse(request, "admin/catalog/preview.html", context)


def _typed_into(product: Product, request: HttpRequest) -> str:
    """Put what is typed into the product. Returns what was taken out of its description."""
    for name in ("name", "brand", "variant", "sku"):
        setattr(product, name, request.POST.get(name, getattr(product, name)))
    points = request.POST.get("points_cost", "")
    if points.isascii() and points.isdigit() and int(points[:12]) <= MOST_POINTS:
        product.points_cost = int(points)
    product.points_cost = product.points_cost or 0
    kind = request.POST.get("product_type", "")
    product.product_type = product.product_type or (
        kind if kind in ProductType.values else ProductType.PHYSICAL
    )
    try:
        product.description, told = cleaned_description(request.POST.get("description", ""))
    except ValueError as error:
        return str(error)
    return told
