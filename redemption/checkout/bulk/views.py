"""The pages of bulks: giving a file, what was read of it, and the orders that become of it."""

import uuid
from collections.abc import Callable, Sequence

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.layout import balance_text, header_on
from accounts.permissions import may_redeem
from accounts.tasks import send_letters_of
from accounts.views import PortalRequest, with_seat
from catalog.models import Product
from loyalty_portal.data.one_line import one_line
from loyalty_portal.http.responses import SeeOther, attachment, form_only
from loyalty_portal.jobs.spreadsheets import TYPES, Cell
from loyalty_portal.queue.pause import CLOSED, is_paused
from redemption.checkout.bulk import approving, services, sheets
from redemption.checkout.bulk.selectors import bulk_page, bulks_of, wrong_rows
from redemption.checkout.shown import read_points
from redemption.models import Bulk
from redemption.permissions import may_see_bulk
from redemption.saga.steps import RedemptionError

MOST_PRODUCTS = 1_000  # of the template


@require_http_methods(["GET", "HEAD", "POST"])
@with_seat(allowed=may_redeem)
def start(request: PortalRequest) -> HttpResponse:
    """GET shows what there is to do, and the newest bulks. POST takes a file in."""
    problem, same = "", None
    if request.method == "POST":
        try:
            return SeeOther(resolve_url("bulk:detail", _taken(request).pk))
        except services.SameFileError as error:
            problem, same = str(error), error.bulk
        except RedemptionError as error:
            problem = str(error)
    context = {
        "bulks": bulks_of(request.seat),
        "problem": problem,
        "same": same,
        "most": sheets.MOST_ROWS,
    }
    return render(request, "redemption/bulk/start.html", context, status=422 if problem else 200)


def _taken(request: PortalRequest) -> Bulk:
    sent = request.FILES.get("file")
    if not isinstance(sent, UploadedFile):
        raise RedemptionError(_("Choose a file first."))
    if (sent.size or 0) > sheets.LARGEST_FILE:
        raise RedemptionError(sheets.too_large())
    return services.take(
        seat=request.seat,
        name=one_line(sent.name or ""),
        data=sent.read(),
        again="again" in request.POST,
        by=request.actor,
    )


@require_safe
@with_seat(allowed=may_redeem)
def template(request: PortalRequest, kind: str) -> HttpResponse:
    """The template as CSV or XLSX, with the products that the company may redeem."""
    offered = Product.objects.offered().for_tier(request.seat.company.tier_level)
    products = offered.only("sku", "name").order_by("name", "sku")[:MOST_PRODUCTS]
    return _file(kind, "bulk", sheets.header(), list(sheets.template_rows(products)))


@require_safe
@never_cache
@with_seat()
def detail(request: PortalRequest, bulk_id: uuid.UUID) -> HttpResponse:
    """One bulk. While somebody works on it, the page asks for itself again."""
    return _show(request, _own(request, bulk_id))


@require_safe
@never_cache
@with_seat()
def wrong(request: PortalRequest, bulk_id: uuid.UUID, kind: str) -> HttpResponse:
    """The wrong rows alone, as a file to correct and to give again."""
    header = [*sheets.header(), _("What is wrong")]
    return _file(kind, "wrong-rows", header, wrong_rows(_own(request, bulk_id)))


@form_only("bulk:detail", "bulk_id")
@with_seat(allowed=may_redeem)
def place(request: PortalRequest, bulk_id: uuid.UUID) -> HttpResponse:
    """Have the right rows placed, after one approval where the company needs it."""
    bulk = _own(request, bulk_id)
    if is_paused():
        return _show(request, bulk, str(CLOSED))
    points = read_points(request.POST.get("seen_points", ""))
    return _done(
        request,
        bulk,
        lambda: services.confirm(
            bulk=bulk, seen_points=points, by=request.actor, ask=approving.ask
        ),
    )


@form_only("bulk:detail", "bulk_id")
@with_seat(allowed=may_redeem)
def go_on(request: PortalRequest, bulk_id: uuid.UUID) -> HttpResponse:
    """Try the orders again that could not be placed."""
    bulk = _own(request, bulk_id)
    return _done(request, bulk, lambda: services.go_on(bulk=bulk, by=request.actor))


@form_only("bulk:detail", "bulk_id")
@with_seat()
def approve(request: PortalRequest, bulk_id: uuid.UUID) -> HttpResponse:
    """Approve all orders at once."""
    bulk = _own(request, bulk_id)
    return _done(request, bulk, lambda: approving.approve(bulk=bulk, by=request.actor))


@form_only("bulk:detail", "bulk_id")
@with_seat()
def reject(request: PortalRequest, bulk_id: uuid.UUID) -> HttpResponse:
    """Reject all orders at once, with a reason."""
    bulk = _own(request, bulk_id)
    reason = one_line(request.POST.get("reason", ""))
    return _done(
        request,
        bulk,
        lambda: approving.reject(bulk=bulk, by=request.actor, reason=reason),
        _("Not approved. No points were taken."),
    )


def _done(
    request: PortalRequest, bulk: Bulk, act: Callable[[], object], told: str = ""
) -> HttpResponse:
    try:
        act()
    except RedemptionError as problem:
        return _show(request, _own(request, bulk.pk), str(problem))
    send_letters_of(bulk.seat.company_id)
    if told:  # otherwise the page says how it goes on
        messages.success(request, told)
    return SeeOther(resolve_url("bulk:detail", bulk.pk))


def _show(request: PortalRequest, bulk: Bulk, problem: str = "") -> HttpResponse:
    header = header_on(request)
    fragment = request.headers.get("HX-Target") == "bulk"
    template = "redemption/bulk/_bulk.html" if fragment else "redemption/bulk/bulk.html"
    context = {
        "page": bulk_page(bulk, request.seat, header, problem),
        "balance": balance_text(header, beside=True) if fragment else "",
    }
    return render(request, template, context, status=422 if problem else 200)


def _own(request: PortalRequest, bulk_id: uuid.UUID) -> Bulk:
    bulks = Bulk.objects.select_related("seat__user", "seat__company").defer("file")
    bulk = bulks.filter(pk=bulk_id).first()
    if bulk is None or not may_see_bulk(request.actor, bulk):
        raise Http404
    return bulk


def _file(
    kind: str, name: str, header: Sequence[str], rows: Sequence[Sequence[Cell]]
) -> HttpResponse:
    if kind not in TYPES:
        raise Http404
    return attachment(sheets.sheet(kind, header, rows), TYPES[kind], f"{name}.{kind}")
