"""The page behind the link of a letter to a recipient, and what the company does about it.

Opening the link changes nothing, because mail programs open links too; only the form does. The
address holds the secret: it is sent to no other page (Referrer-Policy), kept by no cache, and told
in no log (loyalty_portal/configuration/logs.py).
"""

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from accounts.views import PortalRequest, with_seat
from loyalty_portal.http.client_address import client_network
from loyalty_portal.http.limits import Limit
from loyalty_portal.http.responses import SeeOther, form_only
from redemption.models import OrderItem, RedemptionOrder
from redemption.orders.asking import services
from redemption.orders.asking.forms import OwnAddressForm, TheirAddressForm
from redemption.orders.asking.selectors import AskPage, AskState, page_of
from redemption.orders.facts import order_of
from redemption.permissions import may_cancel
from redemption.saga import tasks
from redemption.saga.steps import RedemptionError

# From one IP address: an office may answer together, and nobody guesses 256 bits.
OPENED = Limit("link-of-a-recipient", most=200, seconds=600)


# A browser that sends no referrer sends no origin with a form either, so Django's check would
# refuse every answer. Whoever forged one would have to know the token.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def for_you(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows what somebody is asked for, POST takes the answer."""
    if not OPENED.take(client_network(request)):
        return _said(request, "redemption/asking/too_often.html", status=429)
    return _answered(request, token) if request.method == "POST" else _shown(request, token)


def _shown(
    request: HttpRequest, token: str, form: OwnAddressForm | None = None, *, status: int = 200
) -> HttpResponse:
    """The page of the link as it stands now; `form`: one that was refused, with its status."""
    page = page_of(token)
    if page is None:
        return _said(request, "redemption/asking/unknown.html", status=404)
    if page.standing != AskState.OPEN:
        return _said(request, "redemption/asking/for_you.html", page=page, status=410)
    form = form or _form(page)
    return _said(request, "redemption/asking/for_you.html", page=page, form=form, status=status)


def _answered(request: HttpRequest, token: str) -> HttpResponse:
    page = page_of(token)
    if page is None or page.standing != AskState.OPEN:
        return _shown(request, token)
    form = _form(page, request.POST)
    if not form.is_valid():
        return _shown(request, token, form, status=422)
    try:
        with tasks.going_on(page.ask.order_id):
            services.answer(token=token, said=form.recipient())
    except RedemptionError as problem:  # somebody was quicker, or something is wrong with it
        form.add_error(None, str(problem))
        return _shown(request, token, form, status=422)
    answer = SeeOther(reverse("for_you_done"))
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def _form(page: AskPage, said: QueryDict | None = None) -> OwnAddressForm:
    who = {"recipient_name": page.ask.name}
    return OwnAddressForm(said, by_parcel=page.by_parcel, initial=who)


@require_safe
def done(request: HttpRequest) -> HttpResponse:
    """Thank whoever has answered."""
    return _said(request, "redemption/asking/done.html")


def _said(request: HttpRequest, template: str, *, status: int = 200, **facts: Any) -> HttpResponse:
    # The form of languages asks for the page that it is on, which nobody is told here.
    response = render(request, template, {**facts, "without_languages": True}, status=status)
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


# --- The company ------------------------------------------------------------------------------


def _line(request: PortalRequest, number: str, item_id: uuid.UUID) -> OrderItem:
    order: RedemptionOrder | None = order_of(request.actor, number)
    item = order.items.select_related("product").filter(pk=item_id).first() if order else None
    if order is None or item is None:
        raise Http404
    if not may_cancel(request.actor, order):
        raise PermissionDenied(_("Your role in this company does not include this."))
    item.order = order
    return item


@form_only("orders:detail", "number")
@with_seat()
def send_anew(request: PortalRequest, number: str, item_id: uuid.UUID) -> HttpResponse:
    """Send another link, to the same or a corrected address."""
    item = _line(request, number, item_id)
    try:
        told = services.send_anew(
            item=item, email=request.POST.get("email", "")[:255], by=request.actor
        )
    except RedemptionError as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, told)
    return SeeOther(f"{item.order.get_absolute_url()}#line-{item.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
@with_seat()
def give(request: PortalRequest, number: str, item_id: uuid.UUID) -> HttpResponse:
    """Give the address in the recipient's place."""
    item = _line(request, number, item_id)
    if not item.is_waiting:
        messages.info(request, _("This waits for no answer any more."))
        return redirect(item.order)
    said = request.POST if request.method == "POST" else None
    who = {"recipient_name": item.recipient_name, "recipient_email": item.recipient_email}
    form = TheirAddressForm(said, by_parcel=not item.product.is_virtual, initial=who)
    if request.method == "POST" and form.is_valid():
        try:
            with tasks.going_on(item.order_id):
                services.give(item=item, recipient=form.recipient(), by=request.actor)
        except RedemptionError as problem:
            form.add_error(None, str(problem))
        else:
            messages.success(request, _("Thank you. It is sent there now."))
            return SeeOther(f"{item.order.get_absolute_url()}#line-{item.pk}")
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "item": item}
    return render(request, "redemption/asking/give.html", context, status=status)
