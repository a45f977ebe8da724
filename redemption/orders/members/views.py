"""The page of one member of a company: what they did, and for owners what they may do."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.forms import MonthlyLimitForm, NewRoleForm, SwitchForm
from accounts.invitations.members import MemberShown, member_of
from accounts.permissions import may_manage_members, may_manage_seat, may_see_activity
from accounts.seats.limits import set_monthly_limit
from accounts.seats.services import SeatRefusedError, change_role, switch_off, switch_on
from accounts.tasks import send_letters_of
from accounts.views import PortalRequest, with_seat
from loyalty_portal.http.responses import SeeOther, form_only
from redemption.checkout.limits import used_by_seats
from redemption.orders.members.selectors import Activity, activity_of


@dataclass(frozen=True, slots=True)
class MemberPage:
    """The one object of the page's template. The forms are owners' alone."""

    member: MemberShown
    activity: Activity
    used: int  # points of this month
    may_manage: bool
    role: NewRoleForm
    limit: MonthlyLimitForm
    switch: SwitchForm


@require_safe
@never_cache
@with_seat()
def member(request: PortalRequest, member_id: UUID) -> HttpResponse:
    """One member: owners see each of the company, others themselves."""
    return _show(request, _own(request, member_id))


@form_only("members:member", "member_id")
@with_seat(allowed=may_manage_members)
def give_role(request: PortalRequest, member_id: UUID) -> HttpResponse:
    """Give the member another role."""
    shown, form = _own(request, member_id), NewRoleForm(request.POST, auto_id="role-%s")

    def change() -> str:
        said = form.cleaned_data
        change_role(seat=shown.seat, role=said["role"], by=request.actor, reason=said["reason"])
        return _("The role is changed. All owners are told by e-mail.")

    return _done(request, shown, form, change, role=form)


@form_only("members:member", "member_id")
@with_seat(allowed=may_manage_members)
def set_limit(request: PortalRequest, member_id: UUID) -> HttpResponse:
    """Set how many points the member may order in a month."""
    shown, form = _own(request, member_id), MonthlyLimitForm(request.POST, auto_id="limit-%s")

    def change() -> str:
        set_monthly_limit(seat=shown.seat, points=form.cleaned_data["points"], by=request.actor)
        return _("The limit is saved. All owners are told by e-mail.")

    return _done(request, shown, form, change, limit=form)


@form_only("members:member", "member_id")
@with_seat(allowed=may_manage_members)
def off(request: PortalRequest, member_id: UUID) -> HttpResponse:
    """Switch the member's seat off: they cannot act for the company any more."""
    shown, form = _own(request, member_id), SwitchForm(request.POST, auto_id="switch-%s")

    def change() -> str:
        switch_off(seat=shown.seat, by=request.actor, reason=form.cleaned_data["reason"])
        return _("Switched off. All owners are told by e-mail.")

    return _done(request, shown, form, change, switch=form)


@form_only("members:member", "member_id")
@with_seat(allowed=may_manage_members)
def on(request: PortalRequest, member_id: UUID) -> HttpResponse:
    """Switch the member's seat on again, with its role."""
    shown, form = _own(request, member_id), SwitchForm(request.POST, auto_id="switch-%s")

    def change() -> str:
        if not shown.seat.user.is_active:
            raise SeatRefusedError(_("Staff of the programme switched this person off."))
        switch_on(seat=shown.seat, by=request.actor, reason=form.cleaned_data["reason"])
        return _("Switched on again. All owners are told by e-mail.")

    return _done(request, shown, form, change, switch=form)


def _own(request: PortalRequest, member_id: UUID) -> MemberShown:
    """A member of the company. Raises 404 for anybody else."""
    shown = member_of(request.seat.company, member_id)
    if shown is None:
        raise Http404
    if not may_see_activity(request.actor, shown.seat):
        raise PermissionDenied(_("Your role in this company does not include this."))
    return shown


def _done(
    request: PortalRequest,
    shown: MemberShown,
    form: forms.Form,
    change: Callable[[], str],
    *,
    role: NewRoleForm | None = None,
    limit: MonthlyLimitForm | None = None,
    switch: SwitchForm | None = None,
) -> HttpResponse:
    """Do the change of a valid form and say so; show the page with the form of a refused one."""
    if form.is_valid():
        try:
            told = change()
        except SeatRefusedError as problem:
            form.add_error(None, str(problem))
        else:
            send_letters_of(request.seat.company_id)
            messages.success(request, told)
            return SeeOther(resolve_url("members:member", member_id=shown.seat.pk))
    now = _own(request, shown.seat.pk)  # what is on the page must be what is saved
    return _show(request, now, role=role, limit=limit, switch=switch, status=422)


def _show(
    request: PortalRequest,
    shown: MemberShown,
    *,
    role: NewRoleForm | None = None,
    limit: MonthlyLimitForm | None = None,
    switch: SwitchForm | None = None,
    status: int = 200,
) -> HttpResponse:
    page = MemberPage(
        member=shown,
        activity=activity_of(shown),
        used=used_by_seats(shown.seat.company).get(shown.seat.pk, 0),
        may_manage=may_manage_seat(request.actor, shown.seat),
        role=role or NewRoleForm(initial={"role": shown.seat.role}, auto_id="role-%s"),
        limit=limit
        or MonthlyLimitForm(initial={"points": shown.seat.monthly_limit}, auto_id="limit-%s"),
        switch=switch or SwitchForm(auto_id="switch-%s"),
    )
    return render(request, "redemption/members/member.html", {"page": page}, status=status)
