"""The pages of placed orders, and the actions on them."""

import uuid
from collections import Counter
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from accounts.layout import balance_text, header_on
from accounts.permissions import may_redeem
from accounts.views import PortalRequest, with_seat
from catalog.models import Product
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.one_line import one_line
from loyalty_portal.http.responses import SeeOther, form_only, say_where
from loyalty_portal.queue.pause import LATER, is_paused
from redemption.checkout import deciding
from redemption.checkout.cart import services as cart
from redemption.models import RedemptionOrder
from redemption.orders.actions import cancelling
from redemption.orders.actions import services as aftercare
from redemption.orders.facts import Pulse, beat_of, order_of
from redemption.orders.forms import QuestionForm, RejectOrderForm
from redemption.orders.page import order_page
from redemption.orders.selectors import LONGEST_SEARCH, Search, list_of
from redemption.permissions import may_ask, may_cancel, may_decide, may_reveal
from redemption.questions import services as questions
from redemption.saga import tasks
from redemption.saga.steps import RedemptionError
from redemption.states import OrderStatus


def own_order(actor: Actor, number: str) -> RedemptionOrder:
    """The order of the company with this number. Raises 404 for any other."""
    order = order_of(actor, number)
    if order is None:
        raise Http404
    return order


def search_on(request: HttpRequest) -> Search:
    """The filters in the address of the list of orders."""
    words = one_line(request.GET.get("q", ""))
    return Search(
        q=words[:LONGEST_SEARCH],
        group=request.GET.get("status", ""),
        time=request.GET.get("time", ""),
        by=request.GET.get("by", ""),
        product_type=request.GET.get("type", ""),
        page=request.GET.get("page", "1"),
    )


@require_safe
@with_seat()
def list_orders(request: PortalRequest) -> HttpResponse:
    """The list of the company's orders, with the filters in the address."""
    search = search_on(request)
    fragment = request.headers.get("HX-Target") == "orders"
    template = "redemption/orders/_orders.html" if fragment else "redemption/orders/orders.html"
    response = render(request, template, {"list": list_of(request.seat, search)})
    if fragment:
        narrowed = {name: value for name, value in request.GET.items() if value}
        say_where(request, response, f"{request.path}?{urlencode(narrowed)}".rstrip("?"))
    patch_vary_headers(response, ["HX-Target"])
    return response


@require_safe
@never_cache
@with_seat()
def detail(request: PortalRequest, number: str) -> HttpResponse:
    """The page of one order; with `?all` in full, with `?lines` the lines of one status, with
    `?who` those of some people. These do not look again by themselves.
    """
    page = order_page(
        request.actor,
        own_order(request.actor, number),
        in_full="all" in request.GET,
        only=request.GET.get("lines", ""),
        who=one_line(request.GET.get("who", ""))[:LONGEST_SEARCH],
    )
    return render(request, "redemption/orders/order.html", {"page": page})


@require_safe
@never_cache
@with_seat()
def story(request: PortalRequest, number: str) -> HttpResponse:
    """Answer a page that polls: when to poll next, and the order if it changed since `seen`."""
    beat = beat_of(request.actor, number)
    if beat is not None and str(beat) == request.GET.get("seen"):
        last = request.GET.get("last", "")
        pulse = Pulse(beat, int(last) if last.isdecimal() and len(last) < 12 else 0)
        return render(request, "redemption/orders/_pulse.html", {"number": number, "pulse": pulse})
    page = order_page(request.actor, own_order(request.actor, number))
    balance = balance_text(header_on(request), beside=True)
    response = render(request, "redemption/orders/_story.html", {"page": page, "balance": balance})
    return trigger_client_event(response, "announce", {"value": page.latest})


@form_only("orders:detail", "number")
@with_seat()
def cancel(request: PortalRequest, number: str) -> HttpResponse:
    """Cancel what can be cancelled of the order."""
    order = own_order(request.actor, number)
    _must(may_cancel(request.actor, order))
    try:
        with tasks.going_on(order.pk):
            told = cancelling.cancel(
                order=order,
                by=request.actor,
                reason=_reason(request),
                shown=request.POST.get("shown", ""),
            )
    except RedemptionError as problem:
        messages.error(request, str(problem))
        page = order_page(
            request.actor, own_order(request.actor, number), cancel_typed=_reason(request)
        )
        if page.cancellation:  # keep what was typed, for confirming or trying again
            return render(request, "redemption/orders/order.html", {"page": page}, status=422)
    else:
        _say_done(request, told)
    return SeeOther(order.get_absolute_url())


@form_only("orders:detail", "number")
@with_seat()
def cancel_line(request: PortalRequest, number: str, item_id: uuid.UUID) -> HttpResponse:
    """Cancel one line, and so what one person gets; the others go on."""
    order = own_order(request.actor, number)
    _must(may_cancel(request.actor, order))
    item = order.items.filter(pk=item_id).first()
    if item is None:
        raise Http404
    try:
        with tasks.going_on(order.pk):
            told = cancelling.cancel_line(
                item=item,
                by=request.actor,
                reason=_reason(request),
                shown=request.POST.get("shown", ""),
            )
    except RedemptionError as problem:
        messages.error(request, str(problem))
    else:
        _say_done(request, told)
    return SeeOther(f"{order.get_absolute_url()}#lines-title")


@form_only("orders:detail", "number")
@with_seat()
def approve(request: PortalRequest, number: str) -> HttpResponse:
    """Approve the order; its points are taken."""
    order = own_order(request.actor, number)
    _must(may_decide(request.actor, order))
    try:
        with tasks.going_on(order.pk):
            deciding.approve(order=order, by=request.actor)
    except RedemptionError as problem:
        messages.error(request, str(problem))
    else:
        _say_done(
            request,
            _("Approved.") if is_paused() else _("Approved. The points are being taken now."),
        )
    return SeeOther(order.get_absolute_url())


@form_only("orders:detail", "number")
@with_seat()
def reject(request: PortalRequest, number: str) -> HttpResponse:
    """Reject the order, with a reason."""
    order = own_order(request.actor, number)
    _must(may_decide(request.actor, order))
    form = RejectOrderForm(request.POST, order=order)
    if not form.is_valid() and order.status == OrderStatus.AWAITING_APPROVAL:
        page = order_page(request.actor, order, form)
        return render(request, "redemption/orders/order.html", {"page": page}, status=422)
    try:
        deciding.reject(order=order, by=request.actor, reason=form.cleaned_data.get("reason", ""))
    except RedemptionError as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, _("Not approved. No points were taken."))
    return SeeOther(order.get_absolute_url())


@form_only("orders:detail", "number")
@never_cache
@with_seat()
def codes(request: PortalRequest, number: str, item_id: uuid.UUID) -> HttpResponse:
    """Show the codes of one line once, and record who saw them."""
    order = own_order(request.actor, number)
    _must(may_reveal(request.actor, order))
    item = order.items.filter(pk=item_id).first()
    if item is None:
        raise Http404
    item.order = order
    shown = aftercare.reveal_codes(item=item, by=request.actor)
    if request.headers.get("HX-Target", "").startswith("codes-"):
        return render(request, "redemption/orders/_codes.html", {"codes": shown})
    # The line may be one of those that only the page in full shows.
    page = order_page(request.actor, order, in_full=True)
    facts = {"page": page, "codes": shown, "codes_of": item.pk}
    return render(request, "redemption/orders/order.html", facts)


@form_only("orders:detail", "number")
@with_seat(allowed=may_redeem)
def again(request: PortalRequest, number: str) -> HttpResponse:
    """Put the products of the order into the cart again, as far as they are on offer."""
    order = own_order(request.actor, number)
    pieces: Counter[Product] = Counter()
    for item in order.items.select_related("product"):
        pieces[item.product] += item.quantity
    for product, quantity in pieces.items():
        try:
            offered = cart.offered_to(request.seat, str(product.pk))
            cart.add_to_cart(seat=request.seat, product=offered, quantity=quantity)
        except RedemptionError as problem:
            facts = {"product": product.name, "why": problem}
            messages.warning(request, _("“%(product)s” was left out: %(why)s") % facts)
    return SeeOther(resolve_url("cart:detail"))


@form_only("orders:detail", "number")
@with_seat()
def ask(request: PortalRequest, number: str) -> HttpResponse:
    """Ask staff about the order."""
    order = own_order(request.actor, number)
    _must(may_ask(request.actor, order))
    form = QuestionForm(request.POST)
    try:
        if form.is_valid():
            questions.ask(order=order, **form.cleaned_data, by=request.actor)
            messages.success(request, _("We have your question. The answer comes by e-mail too."))
            return SeeOther(f"{order.get_absolute_url()}#questions")
    except RedemptionError as problem:
        form.add_error("text", str(problem))
    page = order_page(request.actor, order, question=form)
    return render(request, "redemption/orders/order.html", {"page": page}, status=422)


def _say_done(request: PortalRequest, told: str) -> None:
    """Say that it is done; while the portal is paused also that nothing is sent yet."""
    messages.success(request, told)
    if is_paused():
        messages.warning(request, LATER)


def _reason(request: PortalRequest) -> str:
    return one_line(request.POST.get("reason", ""))[:255]


def _must(allowed: bool) -> None:
    if not allowed:
        raise PermissionDenied(_("Your role in this company does not include this."))
