"""Pages of the back office: the catalogue as account managers see it, and saved views."""

from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Company
from accounts.selectors import find_companies
from accounts.services import known_balance
from catalog.backoffice.descriptions import cleaned_description
from catalog.backoffice.services import ViewRefusedError, drop_view, save_view
from catalog.models import Product, ProductType, StockStatus
from catalog.rendered import listed
from catalog.selectors import pictures_of, stored_product, variants
from catalog.storefront.forms import MOST_POINTS, read_filters
from catalog.storefront.product import product_page
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.http.responses import SeeOther


def preview(request: HttpRequest, object_id: UUID | None = None) -> HttpResponse:
    """Show the product that is being typed as the portal would, without saving it."""
    _must_look(request)
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


def as_company(request: HttpRequest, object_id: UUID | None = None) -> HttpResponse:
    """Show the list that a company sees, with the portal's own selectors; or choose a company."""
    _must_look(request)
    context = {**admin.site.each_context(request), "title": _("As a company sees it")}
    if object_id is None:
        words = request.GET.get("company", "").replace("\0", "")[:100]
        context |= {"words": words, "companies": find_companies(words)}
        return TemplateResponse(request, "admin/catalog/as_company_choose.html", context)
    company = Company.objects.select_related("known_balance").filter(pk=object_id).first()
    if company is None:
        raise Http404
    asked, known = read_filters(request.GET), known_balance(company)
    budget = known.points if known else None
    rows, page = listed(asked, company.tier_level, budget, with_budget=known is not None)
    context |= {
        "company": company,
        "catalogue": page,
        "shown": [(row.id, card) for row, card in zip(rows, page.cards, strict=True)],
    }
    return TemplateResponse(request, "admin/catalog/as_company.html", context)


def keep_view(request: HttpRequest) -> HttpResponse:
    """Save the filters of the list of products under a name."""
    _must_look(request)
    there = reverse("admin:catalog_product_changelist")
    if request.method != "POST":
        return SeeOther(there)
    query = request.POST.get("query", "")
    try:
        view = save_view(
            name=request.POST.get("name", ""),
            query=query,
            is_shared="is_shared" in request.POST,
            by=actor_of(request),
        )
    except ViewRefusedError as error:
        messages.error(request, str(error))
        return SeeOther(f"{there}?{QueryDict(query).urlencode()}")
    messages.success(request, _("The view “%s” is saved.") % view.name)
    return SeeOther(f"{there}?{view.query}")


def take_view_away(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Take a saved view away; only its owner may."""
    _must_look(request)
    if request.method == "POST":
        try:
            name = drop_view(key=object_id, by=actor_of(request))
            messages.success(request, _("The view “%s” is taken away.") % name)
        except ViewRefusedError as error:
            messages.error(request, str(error))
    return SeeOther(reverse("admin:catalog_product_changelist"))


def _must_look(request: HttpRequest) -> None:
    if not request.user.has_perm("catalog.view_product"):
        raise PermissionDenied(_("Your staff group does not look at products."))


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
