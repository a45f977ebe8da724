"""The cart's pages. A change answers HTMX with the cart, a browser with a redirect to it."""

import uuid
from dataclasses import replace
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.layout import header_on
from accounts.permissions import may_redeem
from accounts.views import PortalRequest, with_seat
from loyalty_portal.http.responses import SeeOther, form_only
from redemption.checkout.cart import services
from redemption.checkout.cart.selectors import CartPage, Refused, cart_lines, cart_page
from redemption.checkout.rows import LONGEST_NUMBER
from redemption.saga.steps import RedemptionError


@require_safe
@with_seat()
def detail(request: PortalRequest) -> HttpResponse:
    """Show the cart."""
    return _cart(request)


def _cart(request: PortalRequest, page: CartPage | None = None) -> HttpResponse:
    page = page or cart_page(request.seat, cart_lines(request.seat), header_on(request))
    fragment = request.headers.get("HX-Target") == "cart"
    template = (
        "redemption/checkout/_cart_changed.html" if fragment else "redemption/checkout/cart.html"
    )
    return render(request, template, {"page": page}, status=422 if page.refused else 200)


def _not_so_many(request: PortalRequest, product_id: uuid.UUID, problem: str) -> HttpResponse:
    """Show the cart again, with the quantity that was typed and what is wrong with it."""
    page = cart_page(request.seat, cart_lines(request.seat), header_on(request))
    entry = next((entry for entry in page.entries if entry.product.pk == product_id), None)
    if entry is None:
        messages.error(request, problem)
        return _changed(request)
    typed = request.POST.get("quantity", "")[:LONGEST_NUMBER]
    return _cart(request, replace(page, refused=Refused(entry, typed, problem)))


@form_only("cart:detail")
@with_seat(allowed=may_redeem)
def add(request: PortalRequest) -> HttpResponse:
    """Add a product to the cart: `product`, `quantity`, and the address `next` to go to."""
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = ""
    try:
        product = services.offered_to(request.seat, request.POST.get("product", ""))
    except RedemptionError as problem:
        messages.error(request, str(problem))
        return SeeOther(target or resolve_url("catalog:list"))
    typed = request.POST.get("quantity", "1")
    try:
        quantity = services.parse_quantity(typed)
    except RedemptionError:
        # The product's page shows the error at the field, with what was typed.
        again = urlencode({"quantity": typed[:LONGEST_NUMBER] or "-"})
        return SeeOther(f"{product.get_absolute_url()}?{again}")
    try:
        services.add_to_cart(seat=request.seat, product=product, quantity=quantity)
    except RedemptionError as problem:
        messages.error(request, str(problem))
        return SeeOther(target or product.get_absolute_url())
    messages.success(request, _("“%(product)s” is in your cart.") % {"product": product.name})
    return SeeOther(target or resolve_url("cart:detail"))


@form_only("cart:detail")
@with_seat(allowed=may_redeem)
def change(request: PortalRequest, product_id: uuid.UUID) -> HttpResponse:
    """Set the quantity of one product."""
    try:
        quantity = services.parse_quantity(request.POST.get("quantity"))
        services.change_quantity(seat=request.seat, product_id=product_id, quantity=quantity)
    except RedemptionError as problem:
        return _not_so_many(request, product_id, str(problem))
    return _changed(request)


@form_only("cart:detail")
@with_seat(allowed=may_redeem)
def remove(request: PortalRequest, product_id: uuid.UUID) -> HttpResponse:
    """Take one product out."""
    if not services.remove_line(seat=request.seat, product_id=product_id):
        messages.info(request, _("There was nothing to take out any more. This is your cart now."))
    return _changed(request)


def _changed(request: PortalRequest) -> HttpResponse:
    if request.headers.get("HX-Target") == "cart":
        return _cart(request)
    return SeeOther(resolve_url("cart:detail"))
