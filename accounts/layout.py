"""The frame of every page: balance, menu, navigation and messages.

This room knows the person and the last balance. Higher rooms know the other figures of the header
(points in flight, the cart, approvals); settings.LAYOUT_PROVIDERS names their functions.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from accounts.models import AccountManager, KnownBalance, Role
from accounts.permissions import may_approve
from accounts.seats.see_as.services import seeing_on
from accounts.services import FRESH_SECONDS, known_balance
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.data.texts.times import ago, exact
from loyalty_portal.fastpath.fragments import Chrome, cached_fragment, render_alone

OLD = timedelta(seconds=60)  # from this age on, a figure says how old it is

# A provider: it returns figures of `Header` by name, for a seat. The time is when the partner was
# asked for the balance, which does not contain later changes.
Provider = Callable[[AccountManager, datetime], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Header:
    """The figures in the header of every page. `spendable` is None while no balance is known.

    `in_flight`: points of unsettled debits and corrections; of these, `unclear` were sent without a
    clear answer. `awaiting`: points of orders that wait for approval. Figures without a provider
    are 0. `stands_in`: for how many approvers who are away the seat decides. `asked`: the partner
    was just asked, so the page must not ask again.
    """

    known: KnownBalance | None
    asked: bool = False
    in_flight: int = 0
    unclear: int = 0
    moved: int = 0  # since the partner was asked; not in its figure yet
    awaiting: int = 0
    cart_count: int = 0
    approvals_count: int = 0
    stands_in: int = 0

    @property
    def being_taken(self) -> int:
        """The points in flight that are not unclear."""
        return self.in_flight - self.unclear

    @property
    def spendable(self) -> int | None:
        """Points that a new order may cost; never below 0."""
        if self.known is None:
            return None
        return max(0, self.known.points - self.in_flight - self.moved)

    @property
    def balance_age(self) -> datetime | None:
        """When the partner was asked for the figure."""
        return self.known.fetched_at if self.known else None

    @property
    def failed(self) -> bool:
        """Whether the partner did not answer when it was last asked."""
        known = self.known
        return bool(known and known.failed_at and known.failed_at > known.fetched_at)

    @property
    def stale(self) -> bool:
        """Whether the figure is so old that the page must say its age."""
        known = self.known
        return self.failed or (known is not None and timezone.now() - known.fetched_at > OLD)

    @property
    def needs_refresh(self) -> bool:
        """Whether the page should ask for a newer figure. The answer to that never asks again."""
        if self.asked or self.known is None:
            return not self.asked
        last = max(self.known.fetched_at, self.known.failed_at or self.known.fetched_at)
        return timezone.now() - last > timedelta(seconds=FRESH_SECONDS)


def header_of(seat: AccountManager, *, known: KnownBalance | None, asked: bool = False) -> Header:
    """Build the header's figures for a seat, whose company has this last balance. Asks each
    provider.
    """
    asked_at = known.fetched_at if known else timezone.now()
    figures: dict[str, int] = {}
    for name in settings.LAYOUT_PROVIDERS:
        provide: Provider = import_string(name)
        figures |= provide(seat, asked_at)
    return Header(known=known, asked=asked, **figures)


def header_on(request: Any) -> Header:
    """The figures of the header for the seat of `request`, read once for a request."""
    if not hasattr(request, "header"):
        request.header = header_of(request.seat, known=known_balance(request.seat.company))
    header: Header = request.header
    return header


def agree(request: Any, header: Header) -> None:
    """Replace the cached header of this request, so that it matches the figures on the page."""
    request.header = header


def chrome_on(request: Any) -> Chrome:
    """Render the parts around a page. Without a seat these are only the messages."""
    seat: AccountManager | None = getattr(request, "seat", None)
    if not seat:
        alone = _messages(request)
        return Chrome(balance="", menu="", nav="", messages=alone, banner="", seen_as="")
    header = header_on(request)
    return Chrome(
        banner=banner_on(request),
        seen_as=_seen_as(request),
        balance=balance_text(header),
        menu=_menu(seat, request.seats),
        nav=_nav(request, seat, header),
        messages=_messages(request),
    )


def context(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `seat`, `header`, `chrome` and `seen_as_banner` (templates/ui/README.md),
    each read at its first use.
    """
    return {
        "seen_as_banner": SimpleLazyObject(partial(banner_on, request)),
        "seat": getattr(request, "seat", None),
        "header": SimpleLazyObject(partial(header_on, request)),
        "chrome": SimpleLazyObject(partial(chrome_on, request)),
    }


def banner_on(request: Any) -> SafeString:
    """What says on each page that staff see it as a seat; "" for everybody else."""
    seeing = seeing_on(request) if getattr(request, "seat", None) else None
    if seeing is None:
        return SafeString("")
    facts = {"seeing": seeing, "until": exact(seeing.viewing.until)}
    return render_to_string("ui/frame/_seen_as.html", facts, request)


def _seen_as(request: Any) -> SafeString:
    """The attribute by which parts that htmx asks for say whose page they are for."""
    seeing = seeing_on(request)
    if seeing is None:
        return SafeString("")
    return format_html(' hx-headers="{}"', json.dumps({"Seen-As": str(seeing.viewing.pk)}))


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
    return cached_fragment("ui/frame/_balance.html", conditions, figures)


def _menu(seat: AccountManager, seats: list[AccountManager]) -> SafeString:
    several = len(seats) > 1
    name = seat.user.name or seat.user.email
    conditions = {"role": Role(seat.role), "several": several, "staff": seat.user.is_staff}
    values = {"initial": name[:1], "name": name, "company": seat.company.name}
    if several:
        values["seats"] = render_alone("ui/frame/_seats.html", seat=seat, seats=seats)
    return cached_fragment("ui/frame/_menu.html", conditions, values)


def _nav(request: HttpRequest, seat: AccountManager, header: Header) -> SafeString:
    match = request.resolver_match
    conditions = {
        "at": (match.namespace or match.view_name) if match else "",
        "approver": may_approve(Actor.in_seat(seat)) or bool(header.stands_in),
        "waiting": bool(header.approvals_count),
        "filled": bool(header.cart_count),
    }
    counts = {
        "approvals_count": str(header.approvals_count),
        "cart_count": str(header.cart_count),
    }
    return cached_fragment("ui/frame/_nav.html", conditions, counts)


def _messages(request: HttpRequest) -> SafeString:
    waiting = get_messages(request)
    if not len(waiting):
        return cached_fragment("ui/_messages.html", {}, {})
    return render_alone("ui/_messages.html", messages=waiting)
