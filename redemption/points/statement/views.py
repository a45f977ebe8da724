"""The page of the points statement, and its files."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_htmx.http import trigger_client_event

from accounts.layout import agree, header_on
from accounts.views import PortalRequest, with_seat
from loyalty_portal.data.snapshot import one_snapshot
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.http.responses import SeeOther, attachment, say_where
from redemption.points.header.spending import spending_of
from redemption.points.statement import movements
from redemption.points.statement.asked import StatementAsked, StatementForm
from redemption.points.statement.exported import note_file
from redemption.points.statement.files import WRITERS, WholeStatement
from redemption.points.statement.notes import notes_of
from redemption.points.statement.page import (
    StatementPage,
    balances_of,
    entries_of,
    statement_page,
    totals_of,
)
from redemption.points.theirs import is_due, look_at_theirs


@require_safe
@never_cache
@with_seat()
def statement(request: PortalRequest) -> HttpResponse:
    """What can be spent and why, and the statement below, with the filters in the address."""
    page = _page(request)
    agree(request, page.spending.header)
    fragment = request.headers.get("HX-Target") == "points"
    template = "redemption/points/_points.html" if fragment else "redemption/points/points.html"
    response = render(request, template, {"page": page})
    if fragment:
        narrowed = {name: value for name, value in request.GET.items() if value}
        say_where(request, response, f"{request.path}?{urlencode(narrowed)}".rstrip("?"))
    patch_vary_headers(response, ["HX-Target"])
    return response


@require_safe
@never_cache
@with_seat()
def statement_file(request: PortalRequest, form: str) -> HttpResponse:
    """The statement as a file. One that is too long leads back to the page, which says so."""
    writer = WRITERS.get(form)
    if writer is None:
        raise Http404
    company, header = request.seat.company, header_on(request)
    asking = StatementForm(request.GET, seat=request.seat)
    asking.full_clean()
    asked = asking.asked()
    with one_snapshot():
        spending = spending_of(request.seat, header, listed=0)
        sources = movements.movements(company.pk, asked, spending.as_of)
        sums = movements.sums(sources)
        if sum(each.number for each in sums.values()) > writer.most:
            return _too_long(request, form, writer.most, asked)
        balances = balances_of(company.pk, spending, asked, sums)
        whole = WholeStatement(
            company=company,
            asked=asked,
            balances=balances,
            totals=totals_of(sums),
            notes=notes_of(company, spending, asked),
            entries=entries_of(sources, balances.opening),
        )
        content = writer.write(whole)
    if not request.seeing:
        note_file(company=company, what=_("Points statement"), form=form, by=request.actor)
    return attachment(content, writer.content_type, f"{whole.name}.{form}")


@require_safe
@never_cache
@with_seat()
def theirs(request: PortalRequest) -> HttpResponse:
    """Read what the loyalty system booked by itself lately, unless it was asked a moment ago. The
    page shows it anew when there is any. Staff who see the page as a seat ask nobody.
    """
    company = request.seat.company
    is_new = not request.seeing and is_due(company) and look_at_theirs(company=company)
    if not request.headers.get("HX-Request"):
        return redirect("points:statement")
    response = HttpResponse(status=204)
    if is_new:
        trigger_client_event(response, "balance-changed")
    return response


def _too_long(request: PortalRequest, form: str, most: int, asked: StatementAsked) -> HttpResponse:
    told = _(
        "A file of the form %(form)s takes at most %(most)s movements. Choose a shorter time, or "
        "another form."
    )
    messages.error(request, told % {"form": form.upper(), "most": grouped(most)})
    return SeeOther(f"{resolve_url('points:statement')}?{asked.query}")


def _page(request: PortalRequest) -> StatementPage:
    header = header_on(request)
    form = StatementForm(request.GET, seat=request.seat)
    with one_snapshot():
        spending = spending_of(request.seat, header)
        return statement_page(request.seat, spending, form, request.GET.get("after", ""))
