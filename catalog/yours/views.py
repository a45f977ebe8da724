"""Pages of what a seat keeps for itself: favourites, what it saw lately, what it compares, and the
wish for a letter.
"""

from collections.abc import Callable
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.layout import header_on
from accounts.permissions import may_redeem
from accounts.views import PortalRequest, with_seat
from catalog.models import Product
from catalog.rendered import favourite_text, heart_text, wish_text
from catalog.selectors import family_facts, rows_by_key
from catalog.storefront.cards import cards
from catalog.yours import services
from catalog.yours.selectors import (
    MOST_COMPARED,
    favourites_of,
    product_to_keep,
    products_named,
    seen_lately,
)
from catalog.yours.services import KeepingError
from catalog.yours.shown import lines, side_by_side
from loyalty_portal.http.responses import SeeOther, form_only

OFFERED = 8  # products that the comparison offers to add


@require_safe
@with_seat()
def favourites(request: PortalRequest) -> HttpResponse:
    """The seat's favourites, the newest first."""
    page = favourites_of(request.seat, request.GET.get("page", "1"))
    facts = {
        "page": page,
        "lines": lines(request.seat.company, page.object_list, header_on(request).spendable),
        "may_redeem": may_redeem(request.actor),
    }
    return render(request, "catalog/yours/favourites.html", facts)


@require_safe
@with_seat()
def seen(request: PortalRequest) -> HttpResponse:
    """The products at whose pages the seat looked lately."""
    found = seen_lately(request.seat)
    facts = {
        "lines": lines(request.seat.company, found, header_on(request).spendable),
        "may_redeem": may_redeem(request.actor),
    }
    return render(request, "catalog/yours/seen.html", facts)


@require_safe
@with_seat()
def compare(request: PortalRequest) -> HttpResponse:
    """Up to four products side by side, which the address names: `p`, the slug of each."""
    company, spendable = request.seat.company, header_on(request).spendable
    asked = products_named(company, request.GET.getlist("p")[: 4 * MOST_COMPARED])
    products = asked[:MOST_COMPARED]
    slugs = [product.slug for product in products]
    more = []
    if len(products) < MOST_COMPARED:
        newest = favourites_of(request.seat, "1").object_list
        keys = dict.fromkeys([*seen_lately(request.seat), *newest])
        others = lines(company, keys, spendable)
        more = [(line, _with(*slugs, line.slug)) for line in others if line.slug not in slugs][
            :OFFERED
        ]
    facts = {
        "columns": [
            (product, _with(*(slug for slug in slugs if slug != product.slug)))
            for product in products
        ],
        "facts": side_by_side(products, spendable),
        "more": more,
        "left_out": len(asked) - len(products),
        "most": MOST_COMPARED,
    }
    return render(request, "catalog/yours/compare.html", facts)


def _with(*slugs: str) -> str:
    """The query that compares these products."""
    return f"?{urlencode({'p': slugs}, doseq=True)}"


@form_only("catalog:favourites")
@with_seat()
def change_favourite(request: PortalRequest) -> HttpResponse:
    """Make a product a favourite, or let it go: `product`, and `on` (1 or 0). The heart of a card
    lets go what it names as `drop`.
    """
    kept = _("“%(product)s” is one of your favourites now.")
    gone = _("“%(product)s” is not among your favourites any more.")
    if request.headers.get("HX-Target", "").startswith("heart-"):
        return _press_heart(request, kept, gone)
    return _change(request, services.keep, favourite_text, kept, gone)


@form_only("catalog:favourites")
@with_seat()
def change_wish(request: PortalRequest) -> HttpResponse:
    """Ask for a letter when a product is in stock again, or not any more: `product`, `on`."""
    kept = _("We write to you once “%(product)s” is in stock again.")
    gone = _("We do not write to you about “%(product)s”.")
    return _change(request, services.wish, wish_text, kept, gone)


def _change(
    request: PortalRequest,
    write: Callable[..., None],
    shown: Callable[..., SafeString],
    kept: str,
    gone: str,
) -> HttpResponse:
    product, on = _asked(request)
    refused = _written(request, write, product, on=on)
    told = refused or (kept if on else gone) % {"product": product.name}
    if request.headers.get("HX-Request"):
        part = shown(
            product=str(product.pk),
            token=get_token(request),
            on=on and not refused,
            told=told,
            refused=bool(refused),
        )
        return HttpResponse(part, status=422 if refused else 200)
    (messages.error if refused else messages.success)(request, told)
    there = _next(request)
    if there and request.POST.get("place") == "heart":
        there += f"#heart-{product.pk}"
    return SeeOther(there or product.get_absolute_url())


def _press_heart(request: PortalRequest, kept: str, gone: str) -> HttpResponse:
    """The heart of a card as it is now; why it was refused is a message above the list."""
    product, on = _asked(request)
    refused = _written(request, services.keep, product, on=on)
    tier = request.seat.company.tier_level
    rows = rows_by_key(tier_level=tier, ids=[product.pk])
    [card] = cards(rows, family_facts(tier_level=tier, rows=rows))
    if refused:
        messages.error(request, refused)
        said = render_to_string("ui/_messages.html", {"oob": True}, request)
        return HttpResponse(heart_text(card, on=not on, told="") + said, status=422)
    told = (kept if on else gone) % {"product": card.name}
    return HttpResponse(heart_text(card, on=on, told=told))


def _written(
    request: PortalRequest, write: Callable[..., None], product: Product, *, on: bool
) -> str:
    """Keep it, or let it go. Returns why not, "" if it is done."""
    try:
        write(seat=request.seat, product=product, on=on)
    except KeepingError as problem:
        return str(problem)
    return ""


def _asked(request: PortalRequest) -> tuple[Product, bool]:
    """Which product, and whether it is to be kept."""
    key = request.POST.get("drop")
    on = key is None and request.POST.get("on", "1") != "0"
    company = request.seat.company
    product = product_to_keep(company, request.POST.get("product", "") if key is None else key)
    if product is None:
        raise Http404
    return product, on


def _next(request: PortalRequest) -> str:
    target = request.POST.get("next", "")
    fits = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()})
    return target if fits else ""
