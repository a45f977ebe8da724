"""The portal's adapter for allauth: no sign-up, limits on wrong passwords, reset letters."""

from typing import Any
from urllib.parse import quote

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.core.internal.httpkit import is_headless_request
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import reverse
from django.utils.translation import get_language

from accounts.access import known_browser, sessions, sign_in
from accounts.access.factors import second_factor
from accounts.models import User
from accounts.models.readers import reader_of
from accounts.selectors import seats_of
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.http.client_address import client_network


class ClosedSignupAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Customizes allauth. There is no sign-up: staff open the accounts."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """The page after sign-in when no other was asked for. Staff without a seat get the
        admin.
        """
        user = request.user
        if isinstance(user, User) and user.is_staff and not seats_of(user):
            return resolve_url("admin:index")
        return str(super().get_login_redirect_url(request))

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom allauth's limits count: an address, or the network of one customer in IPv6."""
        return client_network(request)

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Build a password reset link from PORTAL_URL, never from the request's Host header."""
        path = reverse(
            "account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"}
        ).replace("UID-KEY", quote(key))
        return f"{settings.PORTAL_URL}{path}"

    # --- Wrong passwords -----------------------------------------------------------------------

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        if not sign_in.may_try(request, credentials.get("email", "")):
            raise self.validation_error("too_many_login_attempts")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        user: User | None = super().authenticate(request, **credentials)
        if user and user.is_machine:  # allauth passes on who may not sign in, to say why
            self.authentication_failed(request, **credentials)
            return None
        if user:
            sign_in.was_right(request, credentials.get("email", ""))
        return user

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        login = credentials.get("email", "")
        sign_in.was_wrong(request, login)
        # What was typed is not recorded: it may be the address of a stranger, or a password.
        person = User.objects.filter(email__iexact=login).first()
        record(TrailKind.SIGN_IN_FAILED, by=SYSTEM, about=person)

    def post_login(self, request: HttpRequest, user: User, **facts: Any) -> HttpResponse:
        how = second_factor.prove(request, user)
        sessions.begin(request, user, proved_by=how)
        # Whoever signed in a moment ago need not confirm who they are.
        record_authentication(request, user, "sign_in", reauthenticated=True)
        told = {"second_factor": how} if how else {}
        record(TrailKind.SIGN_IN, by=Actor.person(user), about=user, facts=told)
        # Over the API the answer has the tokens of the session, so it is made when there is one.
        response: HttpResponse = super().post_login(request, user, **facts)
        if not is_headless_request(request):
            known_browser.remember(request, response, sign_in.account_of(user.email))
        return response

    def get_login_stages(self) -> list[str]:
        stages = "accounts.access.factors.second_factor"
        ours = {
            "allauth.mfa.stages.AuthenticateStage": f"{stages}.FactorStage",
            "allauth.mfa.stages.TrustStage": f"{stages}.TrustedBrowserStage",
        }
        return [ours.get(stage, stage) for stage in super().get_login_stages()]

    def set_password(self, user: User, password: str) -> None:
        super().set_password(user, password)
        sign_in.begin_anew(user.email)
        record(TrailKind.PASSWORD_CHANGED, by=Actor.person(user), about=user)

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        record(TrailKind.PASSWORD_RESET_ASKED, by=SYSTEM, about=user)
        with reader_of(user, language=get_language() or "").reading():
            super().send_password_reset_mail(user, email, context)
