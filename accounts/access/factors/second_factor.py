"""Who needs a second factor, and whether a session was proved by one.

The session says so itself, so no page asks the database for it. Each change of a person's factors
ends their other sessions, so what a session says stays true.
"""

from typing import Any

from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.internal.httpkit import headed_redirect_response
from allauth.mfa.stages import AuthenticateStage, TrustStage
from allauth.mfa.webauthn.internal.flows import did_use_passwordless_login
from django.http import HttpRequest

from accounts.access.factors.kinds import factors_of
from accounts.models import AccountManager, User
from loyalty_portal.http.sessions import SECOND_FACTOR

# How a session was proved when no factor was asked for: by the cookie of a trusted browser.
TRUSTED = "trusted"


def needs(person: User, seat: AccountManager | None) -> bool:
    """Whether the person may do nothing without a second factor: staff, and whoever acts for a
    company that requires one.
    """
    return person.is_staff or (seat is not None and seat.company.require_second_factor)


def lacks(request: HttpRequest, seat: AccountManager | None) -> bool:
    """Whether this request's session must be proved by a second factor first, and is not."""
    person: Any = request.user
    return SECOND_FACTOR not in request.session and needs(person, seat)


def prove(request: HttpRequest, person: User) -> str:
    """Write into the session by what this sign-in was proved. Returns it; "" for a password alone.

    To be called when all steps of the sign-in are done: whoever has a factor has used it then, or
    came with a trusted browser.
    """
    used = [each for each in get_authentication_records(request, person) if "type" in each]
    how = str(used[-1]["type"]) if used else TRUSTED if factors_of(person) else ""
    if how:
        request.session[SECOND_FACTOR] = how
    else:
        request.session.pop(SECOND_FACTOR, None)
    return how


class FactorStage(AuthenticateStage):  # type: ignore[misc] # allauth carries no types
    """Asks for the second factor. No browser is trusted to be staff's."""

    def handle(self) -> tuple[Any, bool]:
        response, go_on = super().handle()
        person = self.login.user
        if response is None and person.is_staff and self._is_unproved(person):
            self.state["authentication_required"] = True
            response = headed_redirect_response(self.urlname)
        return response, go_on

    def _is_unproved(self, person: User) -> bool:
        passwordless = did_use_passwordless_login(self.request, person)
        return not passwordless and bool(factors_of(person))


class TrustedBrowserStage(TrustStage):  # type: ignore[misc] # allauth carries no types
    """Asks whether the browser may be trusted, except by staff."""

    def handle(self) -> tuple[Any, bool]:
        if self.login.user.is_staff:
            return None, True
        response, go_on = super().handle()
        return response, go_on
