"""The pages of approvals: what waits, with a panel about one order, what was decided, and who
decides while an approver is away.
"""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.layout import header_on
from accounts.models import StandIn
from accounts.permissions import acts_as_owner, may_approve, may_end_stand_in
from accounts.seats.periods import zone_of
from accounts.seats.services import SeatRefusedError
from accounts.seats.stand_ins import (
    SHOWN,
    end_stand_in,
    first_day,
    last_day,
    name_stand_in,
    stand_ins_of,
)
from accounts.tasks import send_letters_of
from accounts.views import PortalRequest, with_seat
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.zones import local_day
from loyalty_portal.http.responses import SeeOther, form_only
from loyalty_portal.queue.pause import LATER, is_paused
from redemption.checkout.bulk.selectors import waiting_for
from redemption.orders.approvals import services
from redemption.orders.approvals.forms import AwayForm, DecideForm
from redemption.orders.approvals.panel import panel_of
from redemption.orders.approvals.selectors import approvals, decided_page, files_decided
from redemption.permissions import may_decide_orders
from redemption.saga import tasks


@require_safe
@never_cache
@with_seat(allowed=may_decide_orders)
def waiting(request: PortalRequest) -> HttpResponse:
    """What waits, the most urgent first, and a panel about one order: that of `?order`, or the
    first.
    """
    return _show(request, DecideForm())


@form_only("approvals:list")
@never_cache
@with_seat(allowed=may_decide_orders)
def decide(request: PortalRequest) -> HttpResponse:
    """Approve or reject what was chosen: each by itself, and each outcome is told."""
    form = DecideForm(request.POST)
    if not form.is_valid():
        return _show(request, form)
    outcome = services.decide(
        chosen=form.chosen,
        rejects=form.rejects,
        reason=form.cleaned_data.get("reason", ""),
        by=request.actor,
        around=tasks.going_on,
    )
    if outcome.told:
        messages.success(request, outcome.told)
        if is_paused():
            messages.warning(request, LATER)
    for problem in outcome.problems():
        messages.error(request, problem)
    send_letters_of(request.seat.company_id)
    return SeeOther(resolve_url("approvals:list"))


@require_safe
@with_seat(allowed=may_decide_orders)
def decided(request: PortalRequest) -> HttpResponse:
    """What was decided, by whom and why, the newest first."""
    page, rows = decided_page(request.actor, request.GET.get("page", "1"))
    bulks = files_decided(request.actor) if page.number == 1 else []
    facts = {"page": page, "rows": rows, "bulks": bulks, "tab": "decided"}
    return render(request, "redemption/approvals/decided.html", facts)


def _show(request: PortalRequest, form: DecideForm) -> HttpResponse:
    rows = approvals(request.actor, header_on(request).spendable)
    asked = request.GET.get("order", "").upper()
    chosen = next((row for row in rows if row.order.order_number == asked), None)
    shown = chosen or next((row for row in rows if row.decidable), next(iter(rows), None))
    context = {
        "rows": rows,
        "bulks": waiting_for(request.seat),
        "panel": panel_of(shown) if shown else None,
        "form": form,
        "tab": "waiting",
    }
    fragment = request.headers.get("HX-Target") == "panel" and shown is not None
    name = "_panel" if fragment else "approvals"
    status = 422 if form.errors else 200
    response = render(request, f"redemption/approvals/{name}.html", context, status=status)
    patch_vary_headers(response, ["HX-Target"])
    return response


# --- While an approver is away ---------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@with_seat(allowed=may_approve)
def away(request: PortalRequest) -> HttpResponse:
    """GET shows who stands in, POST names somebody. Owners see those of the whole company."""
    form = AwayForm(request.POST if request.method == "POST" else None, seat=request.seat)
    if form.is_bound and form.is_valid():
        try:
            made = name_stand_in(approver=request.seat, **form.cleaned_data, by=request.actor)
        except SeatRefusedError as why:
            form.add_error(None, str(why))
        else:
            send_letters_of(request.seat.company_id)
            told = _("%(who)s decides in your place on these days. You both get a letter.")
            messages.success(request, told % {"who": made.deputy.user})
            return SeeOther(resolve_url("approvals:away"))
    return _show_away(request, form)


@form_only("approvals:away")
@with_seat(allowed=may_approve)
def end(request: PortalRequest, stand_in_id: UUID) -> HttpResponse:
    """End it now."""
    stand_in = stand_ins_of(request.seat.company_id).filter(pk=stand_in_id).first()
    if stand_in is None or not may_end_stand_in(request.actor, stand_in):
        raise Http404
    try:
        end_stand_in(stand_in=stand_in, by=request.actor)
    except SeatRefusedError as why:
        messages.error(request, str(why))
    else:
        send_letters_of(request.seat.company_id)
        messages.success(request, _("Ended."))
    return SeeOther(resolve_url("approvals:away"))


def _show_away(request: PortalRequest, form: AwayForm) -> HttpResponse:
    rows = stand_ins_of(request.seat.company_id)
    if not acts_as_owner(request.actor):
        rows = rows.filter(approver=request.seat.pk)
    zone = zone_of(request.seat.company)
    context = {
        "form": form,
        "rows": [_row(row, request.actor) for row in rows[:SHOWN]],
        "zone": zone,
        "today": local_day(timezone.now(), zone).isoformat(),
        "tab": "away",
    }
    status = 422 if form.errors else 200
    return render(request, "redemption/approvals/away.html", context, status=status)


def _row(stand_in: StandIn, actor: Actor) -> dict[str, object]:
    return {
        "stand_in": stand_in,
        "first": first_day(stand_in),
        "last": last_day(stand_in),
        "can_end": not stand_in.is_over and may_end_stand_in(actor, stand_in),
    }
