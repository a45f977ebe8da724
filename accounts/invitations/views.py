"""The pages behind the link of an invitation.

The link's secret is in the address of one redirect only. That remembers in the session which
invitation it was, so no page's address holds the secret: none reaches a log, a history of pages or
a referrer. Opening the link changes nothing, because mail programs open links too.
"""

from uuid import UUID

from allauth.account.utils import perform_login
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.invitations.forms import NewPersonForm
from accounts.invitations.selectors import InvitationStep, asked_for, why_not
from accounts.invitations.services import InvitationRefusedError, accept, accept_as_new
from accounts.models import Invitation, User
from accounts.selectors import SEAT_KEY
from accounts.tasks import send_letters_of
from loyalty_portal.http.responses import SeeOther

OPENED = "invitations"  # in the session: the ids of the invitations whose links were opened
MOST_OPENED = 8


def by_link(request: HttpRequest, token: str) -> HttpResponse:
    """Redirect from the letter's link to the invitation's page, or to one for unknown links."""
    invitation = Invitation.objects.of_token(token)
    if invitation is None:
        answer = redirect("invitation_unknown")
    else:
        key = str(invitation.pk)
        opened = [each for each in request.session.get(OPENED, []) if each != key]
        request.session[OPENED] = [*opened, key][-MOST_OPENED:]
        answer = redirect("invitation_page", invitation_id=invitation.pk)
    answer["Referrer-Policy"] = "no-referrer"
    return answer


def unknown(request: HttpRequest) -> HttpResponse:
    """Say that a link is none of ours, or was not opened in this browser."""
    return render(request, "accounts/invitation_unknown.html", status=404)


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, invitation_id: UUID) -> HttpResponse:
    """Show the invitation with what it asks for, and accept it."""
    if str(invitation_id) not in request.session.get(OPENED, []):
        return redirect("invitation_unknown")
    rows = Invitation.objects.select_related("company", "by", "by_seat")
    invitation = rows.get(pk=invitation_id)
    signed_in = request.user if isinstance(request.user, User) else None
    asked = asked_for(invitation, signed_in=signed_in)
    form = _form(request, invitation) if asked == InvitationStep.PASSWORD else None
    if (why := why_not(invitation)) or request.method != "POST":
        return _shown(request, invitation, asked, form, why)
    try:
        if form and form.is_valid():
            return _new(request, invitation, form)
        if asked == InvitationStep.ACCEPT and signed_in:
            accept(invitation=invitation, person=signed_in)
            return _done(request, invitation, signed_in)
    except InvitationRefusedError as error:
        return _shown(request, invitation, asked, form, str(error))
    return _shown(request, invitation, asked, form, "")


def _form(request: HttpRequest, invitation: Invitation) -> NewPersonForm:
    return NewPersonForm(
        request.POST if request.method == "POST" else None, initial={"email": invitation.email}
    )


def _new(request: HttpRequest, invitation: Invitation, form: NewPersonForm) -> HttpResponse:
    said = form.cleaned_data
    person = accept_as_new(invitation=invitation, name=said["name"], password=said["password1"])
    perform_login(request, person)
    return _done(request, invitation, person)


def _done(request: HttpRequest, invitation: Invitation, person: User) -> HttpResponse:
    send_letters_of(invitation.company_id)
    seat = person.seats.get(company=invitation.company_id)
    request.session[SEAT_KEY] = str(seat.pk)
    told = _("You have a seat in %(company)s now. Role: %(role)s.")
    messages.success(
        request, told % {"company": invitation.company, "role": seat.get_role_display()}
    )
    return SeeOther(reverse("home"))


def _shown(
    request: HttpRequest,
    invitation: Invitation,
    asked: InvitationStep,
    form: NewPersonForm | None,
    why: str,
) -> HttpResponse:
    facts = {
        "invitation": invitation,
        "asked": asked,
        "form": form,
        "why": why,
        "ends_in_sign_in": invitation.end == "accepted",
    }
    wrong = bool(form and form.errors)
    status = 410 if why else 422 if wrong else 200
    return render(request, "accounts/invitation.html", facts, status=status)
