"""The page of a person's sessions, and ending them."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.access import sessions
from accounts.access.browsers import browser_name
from loyalty_portal.http.responses import SeeOther, form_only


@require_safe
@login_required
def session_list(request: HttpRequest) -> HttpResponse:
    """From which browsers and apps the person is signed in."""
    person: Any = request.user
    rows = [
        (row, browser_name(row.browser), sessions.is_own(request, row))
        for row in sessions.open_sessions(person)
    ]
    return render(request, "accounts/sessions.html", {"rows": rows})


@form_only("sessions")
@login_required
def end(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """End one session; one's own is signed out."""
    person: Any = request.user
    ended = sessions.end_one(person=person, session_id=session_id)
    if ended is None:
        messages.info(request, _("That session is over already."))
    elif sessions.is_own(request, ended):
        logout(request)
        return redirect("account_login")
    else:
        messages.success(request, _("Ended. Whoever used it must sign in again."))
    return SeeOther(reverse("sessions"))


@form_only("sessions")
@login_required
def end_the_others(request: HttpRequest) -> HttpResponse:
    """End all sessions but this one."""
    sessions.end_others(request)
    messages.success(request, _("You are signed in here only."))
    return SeeOther(reverse("sessions"))
