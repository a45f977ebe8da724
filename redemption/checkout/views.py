"""The pages of the checkout: the form, the review, and the button that places the order."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.contrib import messages
from django.db import Error
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.layout import header_of
from accounts.models import AccountManager, Address
from accounts.permissions import may_redeem
from accounts.services import known_balance
from accounts.views import PortalRequest, with_seat
from loyalty_portal.celery import nudge
from loyalty_portal.data.trouble import is_trouble, retried
from loyalty_portal.http.responses import SeeOther
from loyalty_portal.queue.pause import CLOSED, is_paused
from redemption.checkout.approvals.approval import approval_need
from redemption.checkout.cart.selectors import CartPage, Entry, cart_lines, cart_page
from redemption.checkout.drafts import place_draft, problem_of
from redemption.checkout.forms import AddressForm, CheckoutForm
from redemption.checkout.selectors import (
    AddressOption,
    address_book,
    can_try,
    entry_of,
    picked,
    reference_of,
)
from redemption.checkout.services import CART_CHANGED, CheckoutInput, halted, placed_with
from redemption.checkout.shown import Shown, read_points
from redemption.models import CartLine, RedemptionOrder
from redemption.saga import tasks
from redemption.saga.steps import RedemptionError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CheckoutPage:
    """Everything that the checkout's templates show."""

    form: CheckoutForm
    cart: CartPage
    addresses: list[AddressOption]
    chosen: str
    entry: Address | None  # the address-book entry that fills the form
    can_try: bool
    waits: str  # why the order needs approval
    changes: list[str]  # what changed since the page was shown, when only a part of it is sent
    shown: str  # the content that the page shows, for a hidden form field
    halted: Promise | str  # why no points can be taken at the moment
    unready: str  # what is missing about the people who are named
    signature: str  # who messages to recipients are from
    zone: str  # of the company, in which days are meant
    problem: str = ""

    @property
    def token(self) -> uuid.UUID:
        return self.cart.entries[0].rows[0].cart.token

    @property
    def named(self) -> list[Entry]:
        """The products for which people are named."""
        return [entry for entry in self.cart.entries if entry.people]


@require_http_methods(["GET", "HEAD", "POST"])
@with_seat(allowed=may_redeem)
def checkout(request: PortalRequest) -> HttpResponse:
    """GET shows the form, filled from the address book with `?address=`, and with the reference of
    another order with `?again=`. POST places the order.
    """
    if request.method == "POST":
        return _place(request)
    lines = cart_lines(request.seat)
    if not lines:
        return redirect("cart:detail")
    chosen = request.GET.get("address", "")
    initial = dict(picked(request.seat, chosen)) if chosen else {}
    if again := request.GET.get("again", ""):
        initial["reference"] = reference_of(request.actor, again)
    return _show(request, _form(lines, initial=initial), lines, chosen=chosen)


@require_POST
@with_seat(allowed=may_redeem)
def recipient(request: PortalRequest) -> HttpResponse:
    """The recipient's fields again, for another country."""
    lines = cart_lines(request.seat)
    if not lines:
        return SeeOther(resolve_url("cart:detail"))
    form = _form(lines, initial=request.POST.dict())
    page = {"form": form, "entry": entry_of(request.seat, request.POST.get("entry", ""))}
    return render(request, "redemption/checkout/_recipient.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@with_seat(allowed=may_redeem)
def edit_address(request: PortalRequest, address_id: uuid.UUID) -> HttpResponse:
    """Edit one entry of the company's address book, then return to the checkout filled with it."""
    entry = get_object_or_404(Address, pk=address_id, company=request.seat.company_id)
    form = AddressForm(request.POST or None, instance=entry)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The address is changed."))
        return SeeOther(f"{resolve_url('checkout')}?address={entry.pk}")
    status = 422 if request.method == "POST" else 200
    context = {
        "form": form,
        "header": header_of(request.seat, known=known_balance(request.seat.company)),
    }
    return render(request, "redemption/checkout/address.html", context, status=status)


def _form(
    lines: list[CartLine],
    *,
    said: Mapping[str, str] | None = None,
    initial: Mapping[str, str] | None = None,
) -> CheckoutForm:
    nobodys = [line.product for line in lines if line.position is None]
    return CheckoutForm(
        said,
        initial=initial,
        by_mail=any(product.is_virtual for product in nobodys),
        by_parcel=any(not product.is_virtual for product in nobodys),
    )


def _place(request: PortalRequest) -> HttpResponse:
    """Place the order. The same form sent again, from whatever tab, shows the same order."""
    seat, lines = request.seat, cart_lines(request.seat)
    token = _uuid(request.POST.get("token", ""))
    as_shown = bool(lines) and lines[0].cart.token == token
    placed = None if as_shown else placed_with(seat=seat, token=token)
    if placed is not None:
        return SeeOther(placed.get_absolute_url())
    if not lines:
        messages.error(request, _("Your cart is empty. Nothing was ordered."))
        return SeeOther(resolve_url("cart:detail"))
    form = _form(lines, said=request.POST)
    if not form.is_valid():
        return _show(request, form, lines)
    try:
        if not as_shown:
            raise RedemptionError(CART_CHANGED)
        order = _order(request, form, lines)
    except RedemptionError as problem:
        return _show(request, form, lines, problem=str(problem))
    except Error as error:
        if not is_trouble(error):
            raise
        logger.exception("an order could not be placed")
        busy = _("This did not work just now. Press the button again: nothing is ordered twice.")
        return _show(request, form, lines, problem=busy)
    if form.cleaned_data.get("save_address"):
        _keep(form, request)
    return SeeOther(order.get_absolute_url())


def _order(request: PortalRequest, form: CheckoutForm, lines: list[CartLine]) -> RedemptionOrder:
    seat, cart = request.seat, lines[0].cart
    entered = CheckoutInput(
        token=cart.token,
        seen_points=read_points(request.POST.get("seen_points", "")),
        shown=Shown.read(request.POST.get("shown", "")),
        reference=form.cleaned_data["reference"],
        note=form.cleaned_data["note"],
        cart=cart,
    )
    if why := _halted(seat, lines, entered.seen_points):
        raise RedemptionError(why)
    who = form.recipient()
    asks = bool(form.cleaned_data.get("asks"))
    order = retried(
        lambda: place_draft(
            seat=seat, rows=lines, recipient=who, entered=entered, by=request.actor, asks=asks
        )
    )
    nudge(tasks.settle_transaction, entered.debit_id)
    return order


def _halted(seat: AccountManager, lines: list[CartLine], points: int) -> Promise | str:
    """Why the cart cannot be redeemed now (a pause, or a partner's problem); "" when it can."""
    if is_paused():
        return CLOSED
    why = halted(seat, [line.product for line in lines], points)
    kept = _("Your cart is kept as it is: please try again later.")
    return f"{why} {kept}" if why else ""


def _keep(form: CheckoutForm, request: PortalRequest) -> None:
    """Save the address in the address book unless it is there already. The entry that was chosen is
    updated when it is of the same person.
    """
    said = form.recipient()
    book = Address.objects.filter(company=request.seat.company)
    picked_one = entry_of(request.seat, request.POST.get("entry", ""))
    if picked_one and picked_one.recipient_name == said["recipient_name"]:
        book.filter(pk=picked_one.pk).update(**said)
    elif not book.filter(**said).exists():
        Address.objects.create(company=request.seat.company, **said)


def _show(
    request: PortalRequest,
    form: CheckoutForm,
    lines: list[CartLine],
    *,
    chosen: str = "",
    problem: str = "",
) -> HttpResponse:
    header = header_of(request.seat, known=known_balance(request.seat.company))
    cart = cart_page(request.seat, lines, header)
    products = [line.product for line in lines]
    need = approval_need(request.seat, cart.total)
    unready = problem_of(lines, request.seat)
    seen = Shown.read(request.GET.get("shown", ""))
    page = CheckoutPage(
        form=form,
        cart=cart,
        addresses=address_book(request.seat, chosen),
        chosen=chosen,
        entry=entry_of(request.seat, chosen or request.POST.get("entry", "")),
        can_try=can_try(cart) and not unready,
        waits=need.why if need else "",
        changes=list(seen.changes(products)) if seen else [],
        shown=Shown.of(products, waits=need is not None).written(),
        unready=unready,
        signature=request.seat.signature,
        zone=request.seat.company.time_zone,
        halted="" if problem else _halted(request.seat, lines, cart.total),
        problem=problem,
    )
    template = FRAGMENTS.get(
        request.headers.get("HX-Target", ""), "redemption/checkout/checkout.html"
    )
    status = 422 if request.method == "POST" else 200
    return render(request, template, {"page": page, "header": header}, status=status)


FRAGMENTS = {
    "recipient": "redemption/checkout/_recipient.html",
    "review": "redemption/checkout/_review.html",
}


def _uuid(text: str) -> uuid.UUID:
    """The form's token; a new one, which no order has, when it cannot be read."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.UUID(int=0)
