"""The pages of placed orders, and the actions on them."""

import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render, resolve_url
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from accounts.layout import balance_text, header_on
from accounts.permissions import may_redeem
from accounts.views import PortalRequest, with_seat
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.one_line import one_line
from loyalty_portal.data.snapshot import one_snapshot
from loyalty_portal.http.responses import SeeOther, form_only, say_where
from loyalty_portal.queue.pause import LATER, is_paused
from redemption.checkout.approvals import deciding
from redemption.models import OrderItem, RedemptionOrder
from redemption.orders.actions import cancelling, repeating, resending
from redemption.orders.actions import services as aftercare
from redemption.orders.facts import Pulse, beat_of, order_of
from redemption.orders.forms import QuestionForm, RejectOrderForm
from redemption.orders.page import OrderPage, order_page
from redemption.orders.selectors import LONGEST_SEARCH, Search, list_of
from redemption.permissions import may_ask, may_cancel, may_resend, may_reveal, right_to_decide
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


def _page(request: PortalRequest, number: str, **what: Any) -> OrderPage:
    """The page of an order as it is at one moment, while its lines go on. `what`: see order_page.
    Raises 404 for an order that is not the company's own.
    """
    with one_snapshot():
        return order_page(request.actor, own_order(request.actor, number), **what)


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
    template = (
        "redemption/orders/list/_orders.html" if fragment else "redemption/orders/list/orders.html"
    )
    # What the form leaves empty is no part of an address, so links are those of a reload.
    said = {name: value for name, value in request.GET.items() if value}
    narrowed = QueryDict(urlencode(said))
    shown = {"list": list_of(request.seat, search), "narrowed": narrowed}
    response = render(request, template, shown)
    if fragment:
        say_where(request, response, f"{request.path}?{narrowed.urlencode()}".rstrip("?"))
    patch_vary_headers(response, ["HX-Target"])
    return response


@require_safe
@never_cache
@with_seat()
def detail(request: PortalRequest, number: str) -> HttpResponse:
    """The page of one order; with `?all` in full, with `?lines` the lines of one status, with
    `?who` those of some people, with `?ask` the form of a question open. These do not look again by
    themselves.
    """
    page = _page(
        request,
        number,
        in_full="all" in request.GET,
        only=request.GET.get("lines", ""),
        who=one_line(request.GET.get("who", ""))[:LONGEST_SEARCH],
    )
    if "ask" in request.GET:
        page = replace(page, is_asking=True)
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
    page = _page(request, number)
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
        page = _page(request, number, cancel_typed=_reason(request))
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
    right = right_to_decide(request.actor, order)
    _must(right.may, right.why_not)
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
    right = right_to_decide(request.actor, order)
    _must(right.may, right.why_not)
    form = RejectOrderForm(request.POST, order=order)
    if not form.is_valid() and order.status == OrderStatus.AWAITING_APPROVAL:
        page = _page(request, number, reject=form)
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
    """Show the codes of one line once, of several the one with the number that was sent, and record
    who saw it.
    """
    order = own_order(request.actor, number)
    _must(may_reveal(request.actor, order))
    item = order.items.filter(pk=item_id).first()
    if item is None:
        raise Http404
    item.order = order
    piece = _piece(request, item)
    facts: dict[str, Any] = {
        "codes": aftercare.reveal_codes(item=item, by=request.actor, number=piece),
        "codes_of": item.pk,
        "item": item,
        "number": piece,
        "next": piece % item.quantity_delivered + 1 if piece else 0,
    }
    if request.headers.get("HX-Target", "").startswith("codes-"):
        facts["page"] = {"order": order}
        return render(request, "redemption/orders/lines/_codes.html", facts)
    # The line may be one of those that only the page in full shows.
    facts["page"] = _page(request, number, in_full=True)
    return render(request, "redemption/orders/order.html", facts)


def _piece(request: PortalRequest, item: OrderItem) -> int | None:
    """Which code of a line with several is asked for, from 1; None for a line with one."""
    if item.quantity_delivered <= 1:
        return None
    said = request.POST.get("number", "")
    number = int(said) if said.isascii() and said.isdigit() and len(said) <= 4 else 1
    return min(max(number, 1), item.quantity_delivered)


@form_only("orders:detail", "number")
@with_seat()
def resend(request: PortalRequest, number: str, item_id: uuid.UUID) -> HttpResponse:
    """Have the codes of one line sent again, to the same or a corrected address."""
    order = own_order(request.actor, number)
    _must(may_resend(request.actor, order))
    item = order.items.filter(pk=item_id).first()
    if item is None:
        raise Http404
    item.order = order
    said = {"email": request.POST.get("email", "")[:255], "reason": _reason(request)}
    try:
        with tasks.going_on(order.pk):
            told = resending.resend(item=item, **said, by=request.actor)
    except RedemptionError as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, told)
    return SeeOther(f"{order.get_absolute_url()}#line-{item.pk}")


@form_only("orders:detail", "number")
@with_seat(allowed=may_redeem)
def again(request: PortalRequest, number: str) -> HttpResponse:
    """Put the products of the order into the cart again, for the same people, as far as they are on
    offer. The checkout follows, with the same reference, unless the cart holds other things too.
    """
    order = own_order(request.actor, number)
    had_more = repeating.has_cart(request.seat)
    left_out = repeating.repeat(seat=request.seat, order=order)
    for told in left_out:
        messages.warning(request, told)
    if had_more or left_out:
        return SeeOther(resolve_url("cart:detail"))
    return SeeOther(f"{resolve_url('checkout')}?again={order.order_number}")


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
    page = _page(request, number, question=form)
    return render(request, "redemption/orders/order.html", {"page": page}, status=422)


def _say_done(request: PortalRequest, told: str) -> None:
    """Say that it is done; while the portal is paused also that nothing is sent yet."""
    messages.success(request, told)
    if is_paused():
        messages.warning(request, LATER)


def _reason(request: PortalRequest) -> str:
    return one_line(request.POST.get("reason", ""))[:255]


def _must(allowed: bool, why_not: str = "") -> None:
    if not allowed:
        raise PermissionDenied(why_not or _("Your role in this company does not include this."))
