"""The pages on which staff begin and end to see the portal as a seat."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import AccountManager, Company
from accounts.permissions import may_see_as
from accounts.seats.see_as.forms import SeeAsForm
from accounts.seats.see_as.services import (
    LASTS,
    HowItEnded,
    SeeAsRefusedError,
    begin,
    forget,
    remember,
    why_not,
)
from loyalty_portal.admin_site.pages import own_page
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.http.responses import SeeOther, form_only

_TITLE = gettext_lazy("See the portal as somebody else")


def choose_seat_to_see(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """The seats of a company, each with a link to see the portal as it, or why not."""
    _must(request)
    company = get_object_or_404(Company, pk=object_id)
    seats = company.seats.select_related("user", "company").order_by("user__name", "id")
    context = {"company": company, "seats": [(seat, why_not(seat)) for seat in seats[:200]]}
    return own_page(request, "admin/accounts/see_as_choose.html", context, title=_TITLE)


def see_as(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """Ask for the reason, and begin."""
    _must(request)
    seats = AccountManager.objects.select_related("user", "company")
    seat = get_object_or_404(seats, pk=object_id)
    form = SeeAsForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            viewing = begin(seat=seat, reason=form.cleaned_data["reason"], by=actor_of(request))
        except SeeAsRefusedError as error:
            messages.error(request, str(error))
        else:
            remember(request, viewing)
            return SeeOther(resolve_url("home"))
    minutes = int(LASTS.total_seconds()) // 60
    context = {"seat": seat, "form": form, "why_not": why_not(seat), "minutes": minutes}
    status = 422 if request.method == "POST" else 200
    return own_page(request, "admin/accounts/see_as.html", context, title=_TITLE, status=status)


@form_only("home")
@login_required
def end_see_as(request: HttpRequest) -> HttpResponse:
    """End it, and return to the seat's page in the back office."""
    viewing = forget(request, HowItEnded.CLICK)
    if viewing is None:
        messages.info(request, _("It was over already."))
        return SeeOther(resolve_url("admin:index"))
    messages.success(request, _("You do not see the portal as somebody else any more."))
    if request.user.has_perm("accounts.view_accountmanager"):
        return SeeOther(resolve_url("admin:accounts_accountmanager_change", viewing.seat_id))
    return SeeOther(resolve_url("admin:index"))


def _must(request: HttpRequest) -> None:
    if not may_see_as(actor_of(request)):
        raise RefusedError("accounts.see_as")
