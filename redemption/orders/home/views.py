"""The home page and the header's balance."""

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from accounts.layout import Header, agree, balance_text, header_of, header_on
from accounts.models import Company
from accounts.permissions import may_redeem
from accounts.services import known_balance, refresh_balance
from accounts.views import PortalRequest, with_seat
from catalog.models import Product
from redemption.orders.home.duties import Duty, duties_of
from redemption.orders.selectors import OrderRow, recent, redeemed_before, stuck
from redemption.points.header.spending import Spending, spending_of

CARDS = 5  # past orders shown


@dataclass(frozen=True, slots=True)
class HomePage:
    """Everything that home's templates show."""

    company: Company
    spending: Spending
    duties: list[Duty]
    stuck: list[OrderRow]
    recent: list[OrderRow]
    before: list[Product]
    may_redeem: bool

    @property
    def header(self) -> Header:
        return self.spending.header


@require_safe
@with_seat()
def home(request: PortalRequest) -> HttpResponse:
    """Show what waits for the person, the balance, past orders, and those in trouble last."""
    seat = request.seat
    spending = spending_of(seat, header_on(request), listed=0)
    agree(request, spending.header)
    page = HomePage(
        company=seat.company,
        spending=spending,
        duties=duties_of(seat, spending),
        stuck=stuck(seat),
        recent=recent(seat),
        before=redeemed_before(seat, CARDS),
        may_redeem=may_redeem(request.actor),
    )
    fragment = request.headers.get("HX-Target") == "home"
    template = "redemption/home/_home.html" if fragment else "redemption/home/home.html"
    return render(request, template, {"page": page})


@require_safe
@never_cache
@with_seat()
def balance(request: PortalRequest) -> HttpResponse:
    """Refresh the header's balance from the partner. Without HTMX, redirect home, or to the points.

    Staff who see the page as a seat get the last known balance, because asking writes it down.
    """
    company = request.seat.company
    before = known_balance(company)
    newest = before if request.seeing else refresh_balance(company=company)
    if not request.headers.get("HX-Request"):
        return redirect("points:statement" if request.GET.get("to") == "points" else "home")
    header = header_of(request.seat, known=newest, asked=True)
    response = HttpResponse(balance_text(header))
    if newest and (before is None or before.points != newest.points or header.failed):
        trigger_client_event(response, "balance-changed")
    return response
