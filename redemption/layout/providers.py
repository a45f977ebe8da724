"""Provides the parts around every page: balance, menu, navigation and messages."""

from functools import partial
from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import SafeString

from accounts.models import AccountManager, Role
from accounts.permissions import may_approve
from accounts.services import known_balance
from catalog.cards import grouped
from loyalty_portal.data.times import ago, exact
from loyalty_portal.fastpath.fragments import Chrome, cached_fragment, render_alone
from redemption.layout.selectors import Header, header_of


def context(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `seat`, `header` and `chrome` (templates/ui/README.md), each read at its
    first use.
    """
    return {
        "seat": getattr(request, "seat", None),
        "header": SimpleLazyObject(partial(header_on, request)),
        "chrome": SimpleLazyObject(partial(_chrome, request)),
    }


def header_on(request: Any) -> Header:
    """The figures of the header for the seat of `request`, read once for a request."""
    if not hasattr(request, "header"):
        company = request.seat.company
        request.header = header_of(request.seat, known=known_balance(company))
    header: Header = request.header
    return header


def balance_text(header: Header, *, beside: bool = False) -> SafeString:
    """The balance as HTML. `beside`: HTMX swaps it in together with another fragment."""
    spendable, stale, in_flight = header.spendable, header.stale, header.in_flight
    conditions = {
        "beside": beside,
        "known": spendable is not None,
        "stale": stale,
        "failed": header.failed,
        "needs_refresh": header.needs_refresh,
        "in_flight": bool(in_flight),
    }
    figures = {"points": grouped(spendable or 0), "flight": grouped(in_flight) if in_flight else ""}
    if stale and header.balance_age:
        at = timezone.localtime(header.balance_age)
        figures |= {
            "age": at.isoformat(),
            "age_title": exact(at),
            "age_words": ago(at, timezone.now()),
        }
    return cached_fragment("ui/_balance.html", conditions, figures)


def _chrome(request: Any) -> Chrome:
    seat: AccountManager | None = getattr(request, "seat", None)
    if not seat:
        return Chrome(balance="", menu="", nav="", messages=_messages(request))
    header = header_on(request)
    return Chrome(
        balance=balance_text(header),
        menu=_menu(seat, request.seats),
        nav=_nav(request, seat, header),
        messages=_messages(request),
    )


def _menu(seat: AccountManager, seats: list[AccountManager]) -> SafeString:
    several = len(seats) > 1
    name = seat.user.name or seat.user.email
    conditions = {"role": Role(seat.role), "several": several, "staff": seat.user.is_staff}
    values = {"initial": name[:1], "name": name, "company": seat.company.name}
    if several:
        values["seats"] = render_alone("ui/_seats.html", seat=seat, seats=seats)
    return cached_fragment("ui/_menu.html", conditions, values)


def _nav(request: HttpRequest, seat: AccountManager, header: Header) -> SafeString:
    match = request.resolver_match
    conditions = {
        "at": (match.namespace or match.view_name) if match else "",
        "approver": may_approve(seat),
        "waiting": bool(header.approvals_count),
        "filled": bool(header.cart_count),
    }
    counts = {
        "approvals_count": str(header.approvals_count),
        "cart_count": str(header.cart_count),
    }
    return cached_fragment("ui/_nav.html", conditions, counts)


def _messages(request: HttpRequest) -> SafeString:
    waiting = get_messages(request)
    if not len(waiting):
        return cached_fragment("ui/_messages.html", {}, {})
    return render_alone("ui/_messages.html", messages=waiting)
