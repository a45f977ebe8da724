"""The page of the people of a company. Owners invite here; everybody sees who is there."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.forms import SomebodyForm
from accounts.invitations.members import invitations_of, members_of, spending_of
from accounts.invitations.services import InvitationRefusedError, invite, revoke, send_again
from accounts.models import Invitation
from accounts.permissions import may_manage_members
from accounts.tasks import send_letters_of
from accounts.views import PortalRequest, with_seat
from loyalty_portal.http.responses import SeeOther, form_only


@require_http_methods(["GET", "HEAD"])
@with_seat()
def people(request: PortalRequest) -> HttpResponse:
    """Who is in the company; for owners, who is invited too."""
    return _show(request, SomebodyForm())


@form_only("people:list")
@with_seat(allowed=may_manage_members)
def invite_somebody(request: PortalRequest) -> HttpResponse:
    """Invite an address by a letter."""
    form, company = SomebodyForm(request.POST), request.seat.company
    if form.is_valid():
        said = form.cleaned_data
        try:
            made = invite(company=company, email=said["email"], role=said["role"], by=request.actor)
        except InvitationRefusedError as problem:
            form.add_error("email", str(problem))
        else:
            told = _("%(email)s is invited. The letter is on its way.") % {"email": made.email}
            return _done(request, told)
    return _show(request, form, status=422)


@form_only("people:list")
@with_seat(allowed=may_manage_members)
def invite_again(request: PortalRequest, invitation_id: UUID) -> HttpResponse:
    """Send an invitation once more, with a new link for another seven days."""
    invitation = _own(request, invitation_id)
    try:
        made = send_again(invitation=invitation, by=request.actor)
    except InvitationRefusedError as problem:
        return _refused(request, str(problem))
    told = _("A new letter to %(email)s is on its way. The link in the old one works no more.")
    return _done(request, told % {"email": made.email})


@form_only("people:list")
@with_seat(allowed=may_manage_members)
def take_back(request: PortalRequest, invitation_id: UUID) -> HttpResponse:
    """Take an invitation back: its link stops working."""
    invitation = _own(request, invitation_id)
    try:
        revoke(invitation=invitation, by=request.actor)
    except InvitationRefusedError as problem:
        return _refused(request, str(problem))
    told = _("The invitation of %(email)s is taken back. Its link works no more.")
    return _done(request, told % {"email": invitation.email})


def _own(request: PortalRequest, invitation_id: UUID) -> Invitation:
    """An invitation of the company, whatever became of it."""
    invitation = request.seat.company.invitations.filter(pk=invitation_id).first()
    if invitation is None:
        raise Http404
    return invitation


def _done(request: PortalRequest, told: str) -> HttpResponse:
    send_letters_of(request.seat.company_id)
    messages.success(request, told)
    return SeeOther(resolve_url("people:list"))


def _refused(request: PortalRequest, why: str) -> HttpResponse:
    messages.error(request, why)
    return SeeOther(resolve_url("people:list"))


def _show(request: PortalRequest, form: SomebodyForm, *, status: int = 200) -> HttpResponse:
    may_manage = may_manage_members(request.actor)
    company = request.seat.company
    used = spending_of(company).by_seat if may_manage else {}
    facts = {
        "members": members_of(company, used),
        "invitations": invitations_of(company) if may_manage else [],
        "may_manage": may_manage,
        "form": form,
    }
    return render(request, "accounts/people/people.html", facts, status=status)
