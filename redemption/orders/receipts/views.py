"""Receipts of orders, and the list of orders with its sums and files."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.views import PortalRequest, with_seat
from loyalty_portal.data.snapshot import one_snapshot
from loyalty_portal.data.tables.cells import CSV_TYPE
from loyalty_portal.data.tables.drawing import shown_table
from loyalty_portal.data.tables.exports import XLSX_TYPE, as_csv, as_xlsx
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.http.responses import SeeOther, attachment
from redemption.orders.receipts.order_sums import MOST_ORDERS, orders_table, tables_of
from redemption.orders.receipts.receipt import Receipt, more_to_come, receipt_of, receipt_pdf
from redemption.orders.selectors import orders_found
from redemption.orders.views import own_order, search_on
from redemption.points.statement.exported import note_file
from redemption.points.statement.files import PDF_TYPE


@require_safe
@never_cache
@with_seat()
def receipt(request: PortalRequest, number: str) -> HttpResponse:
    """An order's receipt, to be read or printed."""
    made = _receipt(request, number)
    facts = {"receipt": made, "more_to_come": more_to_come()}
    return render(request, "redemption/orders/receipts/receipt.html", facts)


@require_safe
@never_cache
@with_seat()
def receipt_file(request: PortalRequest, number: str) -> HttpResponse:
    """An order's receipt as PDF."""
    made = _receipt(request, number)
    return attachment(receipt_pdf(made), PDF_TYPE, f"receipt-{made.order.order_number}.pdf")


def _receipt(request: PortalRequest, number: str) -> Receipt:
    """The receipt as of one moment, so that its lines and points agree."""
    with one_snapshot():
        return receipt_of(own_order(request.actor, number))


@require_safe
@never_cache
@with_seat()
def sums(request: PortalRequest) -> HttpResponse:
    """What the orders of the list come to, with the filters of the list in the address."""
    search = search_on(request)
    tables = [shown_table(table, {}) for table in tables_of(orders_found(request.seat, search))]
    return render(
        request, "redemption/orders/receipts/sums.html", {"tables": tables, "forms": _FORMS}
    )


@require_safe
@never_cache
@with_seat()
def orders_file(request: PortalRequest, form: str) -> HttpResponse:
    """The orders of the list as a file; a workbook has the sums too."""
    if form not in _FORMS:
        raise Http404
    orders = orders_found(request.seat, search_on(request))
    if orders.order_by()[: MOST_ORDERS + 1].count() > MOST_ORDERS:
        told = _("A file takes at most %(most)s orders. Narrow the list, for example to a month.")
        messages.error(request, told % {"most": grouped(MOST_ORDERS)})
        return SeeOther(f"{resolve_url('receipts:sums')}?{request.GET.urlencode()}")
    name = f"orders-{timezone.localdate():%Y-%m-%d}.{form}"
    table = orders_table(orders)
    if not request.seeing:
        company = request.seat.company
        note_file(company=company, what=_("Orders"), form=form, by=request.actor)
    if form == "csv":
        return attachment(as_csv(table), CSV_TYPE, name)
    return attachment(as_xlsx(table, *tables_of(orders)), XLSX_TYPE, name)


_FORMS = ("csv", "xlsx")
