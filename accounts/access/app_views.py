"""Sign-in over the API: allauth's views for apps, of which only what the portal offers is mounted.

They answer under `/api/`, so they read no cookie, take strict JSON, and whatever is no success is a
problem. The forms, limits and steps are those of the pages.
"""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
from allauth.account.adapter import get_adapter
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.headless.account.inputs import LoginInput, ResetPasswordInput
from allauth.headless.account.views import (
    LoginView,
    ReauthenticateView,
    ResetPasswordView,
    SessionView,
)
from allauth.headless.base.views import APIView, AuthenticatedAPIView
from allauth.headless.constants import Client
from allauth.headless.internal.restkit.inputs import CharField, Input
from allauth.headless.internal.restkit.response import APIResponse
from allauth.headless.mfa.views import AuthenticateView
from allauth.headless.mfa.views import ReauthenticateView as ReauthenticateByCodeView
from allauth.headless.tokens.inputs import RefreshTokenInput
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.forms import PasswordInput
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase

from accounts.access import sessions
from accounts.access.browsers import browser_name
from accounts.access.factors.forms import TOO_MANY_CODES, CodeForm, ConfirmByCodeForm
from accounts.access.sign_in import BY_STRANGERS
from accounts.access.tokens import refreshed
from accounts.models import PersonSession
from loyalty_portal.api.limits import count
from loyalty_portal.api.parser import StrictParser
from loyalty_portal.api.problems import ApiProblemError, Mistake, problem_response
from loyalty_portal.data.one_line import OneLineField
from loyalty_portal.http.client_address import client_network
from loyalty_portal.http.rates import Rate

# Calls from one network.
CALLS = Rate("sign-in", most=60, burst=60)
REFRESHES = Rate("refresh", most=30, burst=30)
# The next steps that are mounted, of those that allauth knows.
_STEPS = ("login", "mfa_authenticate", "reauthenticate", "mfa_reauthenticate")
_TOO_MANY = {"too_many_login_attempts", TOO_MANY_CODES}
_PROBLEMS = {400: "credentials_refused", 409: "already_signed_in"}


# --- What is sent -------------------------------------------------------------------------------


class SignInInput(LoginInput):  # type: ignore[misc] # allauth carries no types
    """E-mail and password."""

    username = OneLineField(required=False)  # allauth takes it out: e-mail addresses sign in
    password = CharField(strip=False, widget=PasswordInput)


class CodeInput(CodeForm, Input):  # type: ignore[misc]
    """The code of the second step."""


class ConfirmByCodeInput(ConfirmByCodeForm, Input):  # type: ignore[misc]
    """A code that confirms who somebody is."""


class NewPasswordInput(ResetPasswordInput):  # type: ignore[misc]
    """The key of a letter, and the new password."""

    key = OneLineField()
    password = CharField(strip=False, widget=PasswordInput)


# --- Views --------------------------------------------------------------------------------------


class SignIn(LoginView):  # type: ignore[misc]
    """Signs in by password."""

    input_class = SignInInput


class SecondStep(AuthenticateView):  # type: ignore[misc]
    """The second step of a sign-in."""

    input_class = CodeInput


class Confirm(ReauthenticateView):  # type: ignore[misc]
    """Confirms by password who somebody is."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _confirmed(request, super().post(request, *args, **kwargs))


class ConfirmByCode(ReauthenticateByCodeView):  # type: ignore[misc]
    """Confirms by a code who somebody is."""

    input_class = ConfirmByCodeInput

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return _confirmed(request, super().post(request, *args, **kwargs))


def _confirmed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    sessions.confirmed(request)
    return response


class OwnSession(SessionView):  # type: ignore[misc]
    """Who is signed in, and signing out."""

    def delete(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002 - allauth's signature
        get_adapter().logout(request)
        return HttpResponse(status=204)


class Sessions(AuthenticatedAPIView):  # type: ignore[misc]
    """From where the person is signed in."""

    def get(self, request: HttpRequest) -> HttpResponse:
        person: Any = request.user
        rows = sessions.open_sessions(person)
        data = [_session(row, sessions.is_own(request, row)) for row in rows]
        response: HttpResponse = APIResponse(request, data=data)
        return response


class EndSession(AuthenticatedAPIView):  # type: ignore[misc]
    """Ends one of the person's sessions."""

    def delete(self, request: HttpRequest, session_id: UUID) -> HttpResponse:
        person: Any = request.user
        if sessions.end_one(person=person, session_id=session_id) is None:
            raise Http404
        return HttpResponse(status=204)


class NewPassword(ResetPasswordView):  # type: ignore[misc]
    """Sets a new password by the key of the letter. Nobody is signed in by it."""

    input_class = NewPasswordInput

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        super().post(request, *args, **kwargs)
        return HttpResponse(status=204)


class Refresh(APIView):  # type: ignore[misc]
    """Gives new tokens for a refresh token."""

    input_class = RefreshTokenInput

    def post(self, request: HttpRequest) -> HttpResponse:
        pair = refreshed(self.input.cleaned_data["refresh_token"], request)
        if pair is None:
            raise _unauthenticated(has_token=True)
        response: HttpResponse = APIResponse(request, data=pair.told())
        return response


def _session(row: PersonSession, is_this: bool) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "kind": "app" if row.has_tokens else "browser",
        "name": browser_name(row.browser),
        "address": row.address or None,
        "created_at": row.created_at,
        "last_seen_at": row.last_seen_at,
        "is_current": is_this,
    }


# --- How they answer ----------------------------------------------------------------------------


def mounted(view_class: Any, *methods: str, rate: Rate = CALLS) -> Callable[..., HttpResponseBase]:
    """The view for apps, with these methods only."""
    view = view_class.as_api_view(client=Client.APP)

    @wraps(view)
    def answer(request: Any, **given: Any) -> HttpResponseBase:
        if request.method not in methods:
            return HttpResponseNotAllowed(methods)
        count(request, rate, client_network(request))
        _must_be_an_object(request)
        request.COOKIES = {}
        request.session = import_module(settings.SESSION_ENGINE).SessionStore()
        request.user, request.allauth = AnonymousUser(), SimpleNamespace()
        with context.request_context(request):
            try:
                response: HttpResponse = view(request, **given)
            except ImmediateHttpResponse as stopped:
                response = stopped.response
        if response.status_code >= 400:
            response = _problem(request, response)
        response["Cache-Control"] = "no-store"
        return response

    return answer


def _must_be_an_object(request: HttpRequest) -> None:
    """Refuse a body that is no JSON object, or that has half of a surrogate pair."""
    if not request.body:
        return
    read = StrictParser().parse_body(request)
    try:
        orjson.dumps(read)
    except TypeError as error:
        raise ApiProblemError("malformed") from error
    if not isinstance(read, dict):
        raise ApiProblemError("malformed")


def _problem(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """What allauth refused as a problem, with allauth's own members beside it."""
    told = orjson.loads(response.content)
    found = told.get("errors", [])
    steps = [each for each in told.get("data", {}).get("flows", []) if each["id"] in _STEPS]
    more = {"data": {"flows": steps}, "meta": told.get("meta", {})}
    if any(error.get("code") in _TOO_MANY for error in found):
        return problem_response(request, _too_many(" ".join(each["message"] for each in found)))
    if response.status_code == 429:
        return problem_response(request, _too_many(""))
    if response.status_code in _PROBLEMS:
        mistakes = [
            Mistake("body", f"/{each.get('param', '')}", each["code"] or "invalid", each["message"])
            for each in found
        ]
        detail = " ".join(each["message"] for each in found)
        problem = ApiProblemError(_PROBLEMS[response.status_code], detail, errors=mistakes)
    elif any(step.get("is_pending") for step in steps):
        challenge = {"WWW-Authenticate": "Bearer"}
        problem = ApiProblemError("second_step_required", headers=challenge, more=more)
    else:
        problem = _unauthenticated(has_token="Authorization" in request.headers)
    return problem_response(request, problem)


def _too_many(detail: str) -> ApiProblemError:
    wait = {"Retry-After": str(BY_STRANGERS.seconds)}
    return ApiProblemError("too_many_requests", detail, headers=wait)


def _unauthenticated(*, has_token: bool) -> ApiProblemError:
    challenge = 'Bearer error="invalid_token"' if has_token else "Bearer"
    return ApiProblemError("unauthenticated", headers={"WWW-Authenticate": challenge})
