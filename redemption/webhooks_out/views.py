"""The pages on which owners look after their company's webhook endpoints."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access.reauthentication import reauthenticated
from accounts.views import PortalRequest, with_seat
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.http.responses import SeeOther, form_only
from redemption.models import WebhookEndpoint
from redemption.permissions import may_manage_own_endpoints
from redemption.webhooks_out import services
from redemption.webhooks_out.forms import EndpointForm, ReplayForm
from redemption.webhooks_out.selectors import endpoint_of, endpoint_page, listed
from redemption.webhooks_out.services import EndpointRefusedError, NewSecret

_FOLDER = "redemption/webhooks_out"


@require_safe
@with_seat(allowed=may_manage_own_endpoints)
def list_endpoints(request: PortalRequest) -> HttpResponse:
    """The company's endpoints, and how each stands."""
    facts = {"endpoints": listed(request.actor), "most": services.MOST_ENDPOINTS}
    return render(request, f"{_FOLDER}/endpoints.html", facts)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@with_seat(allowed=may_manage_own_endpoints)
@reauthenticated
def new_endpoint(request: PortalRequest) -> HttpResponse:
    """GET shows the form of a new endpoint. POST adds it, and its answer alone shows the secret."""
    if request.method != "POST":
        return render(request, f"{_FOLDER}/new.html", {"form": EndpointForm()})
    form = EndpointForm(request.POST)
    if form.is_valid():
        try:
            made = services.add_endpoint(
                company=request.seat.company, by=request.actor, **form.cleaned_data
            )
        except EndpointRefusedError as problem:
            form.add_error(None, str(problem))
        else:
            return _made(request, made)
    return render(request, f"{_FOLDER}/new.html", {"form": form}, status=422)


@require_safe
@with_seat(allowed=may_manage_own_endpoints)
def endpoint(request: PortalRequest, endpoint_id: UUID) -> HttpResponse:
    """One endpoint: how it stands, and what was sent to it."""
    return _show(request, _own(request, endpoint_id), ReplayForm())


@require_http_methods(["GET", "HEAD", "POST"])
@with_seat(allowed=may_manage_own_endpoints)
@reauthenticated
def change(request: PortalRequest, endpoint_id: UUID) -> HttpResponse:
    """Give an endpoint another address or other events."""
    found = _own(request, endpoint_id)
    if request.method == "POST":
        form = EndpointForm(request.POST)
        if form.is_valid():
            try:
                services.change_endpoint(endpoint_id, by=request.actor, **form.cleaned_data)
            except EndpointRefusedError as problem:
                form.add_error(None, str(problem))
            else:
                messages.success(request, _("Saved."))
                return SeeOther(resolve_url("webhooks:endpoint", endpoint_id=endpoint_id))
    else:
        form = EndpointForm(initial={"url": found.url, "events": found.events})
    facts = {"form": form, "endpoint": found}
    status = 422 if form.errors else 200
    return render(request, f"{_FOLDER}/change.html", facts, status=status)


@form_only("webhooks:endpoint", "endpoint_id")
@never_cache
@with_seat(allowed=may_manage_own_endpoints)
@reauthenticated
def rotate(request: PortalRequest, endpoint_id: UUID) -> HttpResponse:
    """Give an endpoint a new secret. The answer alone shows it."""
    _own(request, endpoint_id)
    return _made(request, services.rotate_secret(endpoint_id, by=request.actor), rotated=True)


@form_only("webhooks:endpoint", "endpoint_id")
@with_seat(allowed=may_manage_own_endpoints)
def ping(request: PortalRequest, endpoint_id: UUID) -> HttpResponse:
    """Have a ping sent."""
    _own(request, endpoint_id)
    try:
        services.ping(endpoint_id, by=request.actor)
    except EndpointRefusedError as problem:
        messages.error(request, str(problem))
    else:
        messages.success(request, _("The ping is on its way. Its outcome stands below."))
    return SeeOther(resolve_url("webhooks:endpoint", endpoint_id=endpoint_id))


@form_only("webhooks:endpoint", "endpoint_id")
@with_seat(allowed=may_manage_own_endpoints)
def replay(request: PortalRequest, endpoint_id: UUID) -> HttpResponse:
    """Have what was missed sent again."""
    found, form = _own(request, endpoint_id), ReplayForm(request.POST)
    if form.is_valid():
        try:
            number = services.replay(endpoint_id, since=form.since, by=request.actor)
        except EndpointRefusedError as problem:
            form.add_error(None, str(problem))
        else:
            messages.success(request, _said_of_replay(number))
            return SeeOther(resolve_url("webhooks:endpoint", endpoint_id=endpoint_id))
    return _show(request, found, form, status=422)


@form_only("webhooks:endpoint", "endpoint_id")
@with_seat(allowed=may_manage_own_endpoints)
@reauthenticated
def remove(request: PortalRequest, endpoint_id: UUID) -> HttpResponse:
    """Send an endpoint nothing more, for good."""
    _own(request, endpoint_id)
    services.remove_endpoint(endpoint_id, by=request.actor)
    messages.success(request, _("Removed. Nothing more is sent to it."))
    return SeeOther(resolve_url("webhooks:list"))


def _own(request: PortalRequest, endpoint_id: UUID) -> WebhookEndpoint:
    found = endpoint_of(request.actor, endpoint_id)
    if found is None:
        raise Http404
    return found


def _made(request: PortalRequest, made: NewSecret, *, rotated: bool = False) -> HttpResponse:
    facts = {"made": made, "rotated": rotated}
    return render(request, f"{_FOLDER}/secret.html", facts, status=201)


def _show(
    request: PortalRequest, found: WebhookEndpoint, form: ReplayForm, *, status: int = 200
) -> HttpResponse:
    facts = {"page": endpoint_page(found), "endpoint": found, "form": form}
    return render(request, f"{_FOLDER}/endpoint.html", facts, status=status)


def _said_of_replay(number: int) -> str:
    if not number:
        return _("Nothing was missed in this time.")
    told = ngettext("%(n)s event is sent again.", "%(n)s events are sent again.", number)
    return told % {"n": grouped(number)}
