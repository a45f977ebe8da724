"""What all pages of the desk share: who may open them, and the way back to the queue."""

from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from fulfillment.desk.selectors import AGES, SHOWN
from fulfillment.permissions import may_do
from loyalty_portal.admin_site.refusals import RefusedError
from loyalty_portal.data.actor import Actor


def check_may_look(request: HttpRequest) -> None:
    """Raise RefusedError for who may not see the desk."""
    if not request.user.has_perm("fulfillment.view_fulfillment"):
        raise RefusedError("fulfillment.view_fulfillment")


def must(by: Actor, what: str) -> None:
    """Raise RefusedError for who may not do this at the desk."""
    if not may_do(by, what):
        raise RefusedError(f"fulfillment.{what}")


def refused(request: HttpRequest, form: Form) -> HttpResponse:
    """Say what is wrong with a form of the queue, and show the queue again."""
    for name, errors in form.errors.items():
        label = f"{form.fields[name].label}: " if name in form.fields else ""
        for sentence in errors:
            messages.error(request, f"{label}{sentence}")
    return redirect(address(request))


def which_shown(request: HttpRequest) -> str:
    """The filter of the queue that the address or the form names."""
    which = request.GET.get("show") or request.POST.get("show", "")
    return which if which in SHOWN + AGES else SHOWN[0]


def address(request: HttpRequest, line: UUID | None = None) -> str:
    """The address of the page with a parcel or without one, with the filter that is used."""
    there = reverse("admin:fulfillment_desk")
    if line:
        there = reverse("admin:fulfillment_desk_parcel", args=[line])
    which = which_shown(request)
    return f"{there}?{urlencode({'show': which})}" if which != SHOWN[0] else there
