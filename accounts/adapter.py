"""How allauth behaves here."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.shortcuts import resolve_url

from accounts.models import User
from accounts.selectors import seats_of


class ClosedSignupAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Account managers are invited by their company or by staff; nobody signs themselves up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002 - allauth's signature
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Where somebody begins who did not say: staff without a seat, at their work."""
        user = request.user
        if isinstance(user, User) and user.is_staff and not seats_of(user):
            return resolve_url("admin:index")
        return str(super().get_login_redirect_url(request))
