"""People who sign in over the API in tests, and call it by their tokens."""

import json
from typing import Any

from django.test import Client

from accounts.models import User
from tests.accounts.factories import PASSWORD
from tests.accounts.second_factor import code_of
from tests.loyalty_portal.api.calls import Calls

AUTH = "/api/auth"
APP = "Meridian/2.1 (iPhone; iOS 18)"


class App:
    """A person's app: its tokens, and calls with them."""

    def __init__(self, answer: Any) -> None:
        assert answer.status_code == 200, answer.content
        told = answer.json()
        found = told["meta"] if "meta" in told else told["data"]
        self.access: str = found["access_token"]
        self.refresh: str = found["refresh_token"]

    @property
    def calls(self) -> Calls:
        return Calls(self.access)

    def auth(self, method: str, path: str, body: Any = None) -> Any:
        """Call an address of the sign-in as whoever is signed in."""
        return auth(method, path, body, authorization=f"Bearer {self.access}")

    def next(self) -> "App":
        """The same app with the next tokens."""
        return App(refreshed(self.refresh))


def auth(method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Call an address of the sign-in."""
    client = Client(raise_request_exception=False)
    data = None if body is None else body if isinstance(body, str) else json.dumps(body)
    given: dict[str, Any] = {"headers": {"User-Agent": APP, **headers}}
    if data is not None:
        given |= {"data": data, "content_type": "application/json"}
    return getattr(client, method)(f"{AUTH}/{path}", **given)


def tried(person: User, password: str = PASSWORD) -> Any:
    """The answer to a first step."""
    return auth("post", "login", {"email": person.email, "password": password})


def signed_in(person: User, password: str = PASSWORD) -> App:
    """The app of a person who signs in, with the second step when they have one."""
    answer = tried(person, password)
    if answer.status_code == 401 and answer.json()["code"] == "second_step_required":
        waiting = answer.json()["meta"]["session_token"]
        code = {"code": code_of(person)}
        answer = auth("post", "2fa/authenticate", code, **{"X-Session-Token": waiting})
    return App(answer)


def refreshed(token: str) -> Any:
    return auth("post", "tokens/refresh", {"refresh_token": token})
