"""The pages on which owners look after the API keys of their company."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.access.keys import KeyRefusedError, NewKey, make_key, revoke_key, rotate_key
from accounts.access.reauthentication import reauthenticated
from accounts.company.forms import KeyForm, RevokeForm, RotateForm
from accounts.company.selectors import KeyShown, key_of, keys_of
from accounts.permissions import may_manage_keys
from accounts.tasks import send_letters_of
from accounts.views import PortalRequest, with_seat
from loyalty_portal.http.responses import SeeOther, form_only


@require_http_methods(["GET", "HEAD"])
@with_seat(allowed=may_manage_keys)
def list_keys(request: PortalRequest) -> HttpResponse:
    """All live keys of the company, and those that ended last."""
    live, ended = keys_of(request.seat.company)
    return render(request, "accounts/keys/keys.html", {"live": live, "ended": ended})


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@with_seat(allowed=may_manage_keys)
@reauthenticated
def new_key(request: PortalRequest) -> HttpResponse:
    """GET shows the form of a new key. POST makes it, and its answer alone shows the key."""
    if request.method != "POST":
        return render(request, "accounts/keys/new.html", {"form": KeyForm()})
    form = KeyForm(request.POST)
    company = request.seat.company
    if form.is_valid():
        try:
            made = make_key(company=company, terms=form.terms, by=request.actor, key_id=form.key_id)
        except KeyRefusedError as problem:
            form.add_error(None, str(problem))
        else:
            return _made(request, made)
    return render(request, "accounts/keys/new.html", {"form": form}, status=422)


@require_http_methods(["GET", "HEAD"])
@with_seat(allowed=may_manage_keys)
def key(request: PortalRequest, key_id: UUID) -> HttpResponse:
    """One key: what it may do, when it was used, and what happened to it."""
    return _show(request, _own(request, key_id), RotateForm(), RevokeForm())


@form_only("keys:key", "key_id")
@never_cache
@with_seat(allowed=may_manage_keys)
@reauthenticated
def rotate(request: PortalRequest, key_id: UUID) -> HttpResponse:
    """Make a successor of the key. The answer alone shows it."""
    shown, form = _own(request, key_id), RotateForm(request.POST)
    if form.is_valid():
        try:
            made = rotate_key(key=shown.key, overlap=form.overlap, by=request.actor)
        except KeyRefusedError as problem:
            form.add_error(None, str(problem))
        else:
            return _made(request, made)
    return _show(request, shown, form, RevokeForm(), status=422)


@form_only("keys:key", "key_id")
@with_seat(allowed=may_manage_keys)
@reauthenticated
def revoke(request: PortalRequest, key_id: UUID) -> HttpResponse:
    """Revoke the key: its next call is refused."""
    shown, form = _own(request, key_id), RevokeForm(request.POST)
    if form.is_valid():
        try:
            revoke_key(key=shown.key, reason=form.cleaned_data["reason"], by=request.actor)
        except KeyRefusedError as problem:
            form.add_error(None, str(problem))
        else:
            send_letters_of(request.seat.company_id)
            messages.success(request, _("Revoked. Its next call is refused."))
            return SeeOther(resolve_url("keys:key", key_id=key_id))
    return _show(request, shown, RotateForm(), form, status=422)


def _own(request: PortalRequest, key_id: UUID) -> KeyShown:
    found = key_of(request.seat.company, key_id)
    if found is None:
        raise Http404
    return found


def _made(request: PortalRequest, made: NewKey) -> HttpResponse:
    send_letters_of(request.seat.company_id)
    return render(request, "accounts/keys/made.html", {"made": made}, status=201)


def _show(
    request: PortalRequest,
    shown: KeyShown,
    rotating: RotateForm,
    revoking: RevokeForm,
    *,
    status: int = 200,
) -> HttpResponse:
    facts = {"shown": shown, "key": shown.key, "rotating": rotating, "revoking": revoking}
    return render(request, "accounts/keys/key.html", facts, status=status)
