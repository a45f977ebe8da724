"""Second factors of people in tests: a session that has one, an app with a known secret, its codes."""

from typing import Any

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.http import HttpRequest
from django.test import Client

from accounts.access.factors.codes import USED
from accounts.models import User
from loyalty_portal.http.sessions import SECOND_FACTOR

SECRET = "JBSWY3DPEHPK3PXP"
DOOR = "/accounts/login/"
SECOND_STEP = "/accounts/2fa/authenticate/"


class ProvedForce:
    """`Client.force_login` leaves out the steps of a sign-in. It leaves out the second one too, so
    that tests of staff's pages need not know of it: the session says that it was proved, and when
    the person signed in.
    """

    _original: Any = staticmethod(Client.force_login)

    def install(self) -> None:
        original = self._original

        def force_login(client: Client, user: User, *args: Any, **named: Any) -> None:
            original(client, user, *args, **named)
            request = HttpRequest()
            request.session = client.session
            request.session[SECOND_FACTOR] = "totp"
            record_authentication(request, user, "sign_in", reauthenticated=True)
            request.session.save()

        Client.force_login = force_login  # type: ignore[method-assign,assignment]


def long_ago(client: Client) -> None:
    """Let the client's sign-in be so long ago that the person is asked again who they are."""
    session = client.session
    del session[AUTHENTICATION_METHODS_SESSION_KEY]
    session.save()


def with_app(person: User) -> User:
    """Give the person an authenticator app with SECRET."""
    TOTP.activate(person, SECRET)
    return person


def code_of(person: User) -> str:
    """A code of the person's app that is accepted now. A second sign-in gets another one.

    The one before the present code is not given: it may have expired when it is sent.
    """
    app = Authenticator.objects.get(user=person, type=Authenticator.Type.TOTP)
    used = app.data.get(USED, -1)
    step = next(step for step in [*yield_hotp_counters_from_time()][1:] if step > used)
    return format_hotp_value(hotp_value(SECRET, step))


def sign_in(client: Client, person: User, password: str, there: str = DOOR) -> Any:
    """Sign in with both steps. Returns the answer to the last one."""
    answer = client.post(there, {"login": person.email, "password": password})
    if answer.get("Location", "").startswith(SECOND_STEP):
        answer = client.post(SECOND_STEP, {"code": code_of(person)})
    if answer.get("Location") == "/accounts/2fa/trust/":
        answer = client.post("/accounts/2fa/trust/", {"action": "skip"})
    return answer
