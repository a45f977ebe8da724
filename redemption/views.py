"""Home, the balance, and what every page of the portal shows."""

from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import SimpleLazyObject
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import AccountManager
from accounts.services import known_balance, refresh_balance
from accounts.views import PortalRequest, with_seat
from redemption.selectors import Header, header_of


def header_context(request: HttpRequest) -> dict[str, Any]:
    """`seat`, `seats` and `header` (templates/ui/README.md); nothing is read before it is used."""
    seat = getattr(request, "seat", None)
    return {
        "seat": seat,
        "seats": getattr(request, "seats", []),
        "header": SimpleLazyObject(partial(_header, seat)),
    }


def _header(seat: AccountManager | None) -> Header | None:
    return header_of(seat, known=known_balance(seat.company)) if seat else None


@require_safe
@with_seat()
def home(request: PortalRequest) -> HttpResponse:
    """Points to spend, orders that need somebody, and what was redeemed before."""
    return render(request, "redemption/home.html")


@require_safe
@never_cache
@with_seat()
def balance(request: PortalRequest) -> HttpResponse:
    """The header's balance, asked of the partner; without HTMX, then home again."""
    newest = refresh_balance(company=request.seat.company)
    if not request.headers.get("HX-Request"):
        return redirect("home")
    header = header_of(request.seat, known=newest, asked=True)
    return render(request, "ui/_balance.html", {"header": header})
