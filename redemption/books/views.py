"""The page of the points statement, and its files."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from django.contrib import messages
from django.db import connection, transaction
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.layout import agree, header_on
from accounts.views import PortalRequest, with_seat
from loyalty_portal.data.numbers import grouped
from loyalty_portal.http.responses import SeeOther, say_where
from redemption.books import movements
from redemption.books.asked import StatementAsked, StatementForm
from redemption.books.files import WRITERS, WholeStatement, as_file
from redemption.books.statement import (
    StatementPage,
    balances_of,
    entries_of,
    notes_of,
    statement_page,
    totals_of,
)
from redemption.layout.spending import spending_of


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Read everything in the block as of one moment, so that what is shown adds up. Inside of a
    transaction, which staff have who see the page as a seat, each query reads its own moment.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


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
        sums = movements.sums(movements.movements(company.pk, asked))
        number = sum(each.number for each in sums.values())
        if number > writer.most:
            return _too_long(request, form, writer.most, asked)
        spending = spending_of(request.seat, header, listed=0)
        balances = balances_of(company.pk, spending, asked, sums)
        whole = WholeStatement(
            company=company,
            asked=asked,
            balances=balances,
            totals=totals_of(sums),
            notes=notes_of(spending, asked),
            entries=entries_of(company.pk, asked, balances.opening),
        )
        content = writer.write(whole)
    return as_file(content, writer.content_type, f"{whole.name}.{form}")


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
