"""The catalogue's pages. One view answers both the page and its HTMX fragment."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.safestring import SafeString
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from accounts.layout import chrome_on, header_on
from accounts.permissions import may_redeem
from accounts.services import known_balance
from accounts.views import PortalRequest, with_seat
from catalog.models import Product
from catalog.pictures.artwork import product_artwork
from catalog.pictures.services import read_picture
from catalog.rendered import (
    RenderedProduct,
    favourite_text,
    rendered_cards,
    rendered_choice,
    rendered_list,
    rendered_product,
    rendered_suggestions,
    tally_text,
    wish_text,
)
from catalog.selectors import family_facts
from catalog.storefront.forms import MOST_PIECES, read_filters, read_quantity, typed_quantity
from catalog.storefront.viewed import record_view
from catalog.yours.selectors import favourites_among, instead_of, kept_of
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.fastpath.fragments import cached_fragment, cached_page
from loyalty_portal.http.responses import say_where

YEAR = 365 * 24 * 3600


@require_safe
@with_seat()
def list_products(request: PortalRequest) -> HttpResponse:
    """Show the cards that the company may redeem, filtered by the query string."""
    known = known_balance(request.seat.company)
    shown = rendered_list(
        asked=read_filters(request.GET),
        tier_level=request.seat.company.tier_level,
        budget=known.points if known else None,
    )
    favourites = favourites_among(request.seat, shown.keys)
    texts = {
        "title": shown.title,
        "facets": shown.facets,
        "results": shown.results(header_on(request).spendable, favourites),
    }
    if request.headers.get("HX-Target") != "results":
        texts |= {"q": shown.q, "address": shown.address}
        return _either(cached_page(request, "catalog/list.html", chrome_on(request), {}, texts))
    response = HttpResponse(cached_fragment("catalog/_found.html", {}, texts))
    say_where(request, response, shown.address)
    return _either(response)


@require_safe
@with_seat()
def suggest(request: PortalRequest) -> HttpResponse:
    """Suggestions for what is typed into the search, as the options of its list."""
    typed = read_filters(request.GET).filters.q
    return HttpResponse(rendered_suggestions(typed, request.seat.company.tier_level))


def _either(response: HttpResponse) -> HttpResponse:
    """Set the Vary header, so that "back" never shows a fragment in place of its page."""
    patch_vary_headers(response, ["HX-Target"])
    return response


@require_safe
@with_seat()
def show_product(request: PortalRequest, slug: str) -> HttpResponse:
    """Show one product, or the choice of its family's variants, and record that the seat looked at
    it. 404 when the company's tier may not redeem it.
    """
    tier = request.seat.company.tier_level
    shown = rendered_product(slug=slug, tier_level=tier)
    if shown is None:
        raise Http404
    choice = rendered_choice(shown, request.GET, slug=slug, tier_level=tier)
    quantity = read_quantity(request.GET)
    tally = tally_text(
        points_cost=shown.points_cost,
        quantity=quantity,
        spendable=header_on(request).spendable,
    )
    if request.headers.get("HX-Target") == "tally":
        return _either(HttpResponse(tally))
    if request.seeing is None:
        record_view(seat=request.seat, product_id=UUID(shown.key))
    wrong = typed_quantity(request.GET)
    instead = _instead(request, shown) if shown.gone and choice is None else SafeString("")
    conditions = {
        "has_instead": bool(instead),
        "gone": shown.gone,
        "may_redeem": may_redeem(request.actor),
        "wrong": bool(wrong),
        "choosing": choice is not None,
    }
    texts = {
        "name": choice.title if choice else shown.name,
        "pictures": shown.pictures,
        "crumbs": shown.crumbs,
        "offer": choice.offer if choice else shown.offer,
        "left": choice.left if choice else "",
        "points": grouped(shown.points_cost),
        "instead": instead,
        "slug": slug,
        "about": shown.about,
        "product": shown.key,
        "address": shown.address,
        "quantity": wrong or str(quantity),
        "most": grouped(MOST_PIECES),
        "tally": tally,
        **_kept(request, shown),
    }
    page = cached_page(request, "catalog/product.html", chrome_on(request), conditions, texts)
    return _either(page)


def _instead(request: PortalRequest, shown: RenderedProduct) -> SafeString:
    """The cards of what is in stock in place of this product."""
    company = request.seat.company
    rows = instead_of(company, UUID(shown.key))
    families = family_facts(tier_level=company.tier_level, rows=rows)
    return rendered_cards(
        rows,
        families,
        spendable=header_on(request).spendable,
        favourites=favourites_among(request.seat, [row.id for row in rows]),
    )


def _kept(request: PortalRequest, shown: RenderedProduct) -> dict[str, SafeString]:
    """The buttons that say what the seat keeps of this product."""
    kept, token = kept_of(request.seat, UUID(shown.key)), get_token(request)
    return {
        "favourite": favourite_text(product=shown.key, token=token, on=kept.favourite),
        "wish": wish_text(product=shown.key, token=token, on=kept.waits),
    }


@require_safe
def picture(request: HttpRequest, digest: str, side: str) -> HttpResponse:  # noqa: ARG001
    """A file of an uploaded picture. Its address changes with its content.

    The type is always that of what we encode, whatever was uploaded.
    """
    data = read_picture(digest=digest, side=int(side))
    if data is None:
        raise Http404
    response = HttpResponse(data, content_type="image/webp")
    patch_cache_control(response, public=True, max_age=YEAR, immutable=True)
    return response


@require_safe
@cache_control(public=True, max_age=YEAR, immutable=True)
def artwork(request: HttpRequest, slug: str) -> HttpResponse:  # noqa: ARG001 - the same for all
    """The drawing of a product without a picture. Its address changes with the drawing."""
    product = get_object_or_404(
        Product.objects.select_related("category", "family").only(
            "name",
            "brand",
            "variant",
            "sku",
            "category__name",
            "category__motif",
            "family__code",
        ),
        slug=slug,
    )
    drawing = product_artwork(
        category=product.category.motif or product.category.name,
        key=product.family.code if product.family else product.sku,
        name=product.name,
        brand=product.brand,
        variant=product.variant,
    )
    return HttpResponse(drawing, content_type="image/svg+xml")
