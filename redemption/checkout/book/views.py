"""The pages of a company's address book."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import Address
from accounts.permissions import may_redeem
from accounts.views import PortalRequest, with_seat
from loyalty_portal.data.recipient import FIELDS
from loyalty_portal.http.responses import SeeOther, attachment, form_only
from loyalty_portal.jobs.spreadsheets import TYPES
from redemption.checkout.book import services
from redemption.checkout.book.selectors import (
    entries_of,
    entry_of_company,
    page_of,
    same_ones,
    texts_of_file,
)
from redemption.checkout.bulk.sheets import sheet
from redemption.checkout.forms import AddressForm
from redemption.checkout.rows import label_of
from redemption.saga.steps import RedemptionError


@require_safe
@with_seat(allowed=may_redeem)
def list_addresses(request: PortalRequest) -> HttpResponse:
    """The entries, by name."""
    company = request.seat.company
    facts = {
        "page": page_of(company, request.GET.get("page", "1")),
        "groups": len(same_ones(company)),
        "kinds": list(TYPES),
    }
    return render(request, "redemption/book/addresses.html", facts)


@require_http_methods(["GET", "HEAD", "POST"])
@with_seat(allowed=may_redeem)
def add(request: PortalRequest) -> HttpResponse:
    """Add one entry."""
    company = request.seat.company
    form = AddressForm(request.POST or None, instance=Address(company=company))
    if request.method == "POST" and form.is_valid():
        try:
            services.must_have_room(company)
        except RedemptionError as problem:
            form.add_error(None, str(problem))
        else:
            form.save()
            messages.success(request, _("The address is kept."))
            return SeeOther(resolve_url("addresses:list"))
    return _form(request, form)


@require_http_methods(["GET", "HEAD", "POST"])
@with_seat(allowed=may_redeem)
def edit(request: PortalRequest, address_id: UUID) -> HttpResponse:
    """Change one entry, or remove it."""
    entry = _own(request, address_id)
    form = AddressForm(request.POST or None, instance=entry)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The address is saved. Orders keep the one that they had."))
        return SeeOther(resolve_url("addresses:list"))
    return _form(request, form, address_id)


@form_only("addresses:edit", "address_id")
@with_seat(allowed=may_redeem)
def remove(request: PortalRequest, address_id: UUID) -> HttpResponse:
    """Take one entry out of the book."""
    entry = _own(request, address_id)
    name = entry.recipient_name
    entry.delete()
    told = _("%(name)s is removed from the address book. Orders keep the address that they had.")
    messages.success(request, told % {"name": name})
    return SeeOther(resolve_url("addresses:list"))


@require_safe
@with_seat(allowed=may_redeem)
def duplicates(request: PortalRequest) -> HttpResponse:
    """Entries that seem to be the same, to be merged."""
    facts = {"groups": same_ones(request.seat.company)}
    return render(request, "redemption/book/duplicates.html", facts)


@form_only("addresses:duplicates")
@with_seat(allowed=may_redeem)
def merge(request: PortalRequest) -> HttpResponse:
    """Make one entry of several."""
    try:
        keep, keys = _chosen(request)
        kept = services.merge(company=request.seat.company, keep=keep, others=keys)
    except RedemptionError as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, _("%(name)s is one entry now.") % {"name": kept.recipient_name})
    return SeeOther(resolve_url("addresses:duplicates"))


@require_safe
@never_cache
@with_seat(allowed=may_redeem)
def export(request: PortalRequest, kind: str) -> HttpResponse:
    """All entries as CSV or XLSX, as the import reads them back."""
    if kind not in TYPES:
        raise Http404
    rows = list(texts_of_file(entries_of(request.seat.company)))
    content = sheet(kind, [label_of(name) for name in FIELDS], rows)
    return attachment(content, TYPES[kind], f"addresses.{kind}")


def _chosen(request: PortalRequest) -> tuple[UUID, list[UUID]]:
    """Which entry stays, and which are merged into it."""
    try:
        keep = UUID(request.POST.get("keep", ""))
        return keep, [UUID(key) for key in request.POST.getlist("entry")]
    except ValueError:
        raise RedemptionError(_("Choose the entry that stays.")) from None


def _own(request: PortalRequest, address_id: UUID) -> Address:
    entry = entry_of_company(request.seat.company, address_id)
    if entry is None:
        raise Http404
    return entry


def _form(
    request: PortalRequest, form: AddressForm, address_id: UUID | None = None
) -> HttpResponse:
    """The form of one entry; a new one has no key."""
    facts = {"form": form, "address_id": address_id}
    status = 422 if form.is_bound else 200
    return render(request, "redemption/book/address.html", facts, status=status)
