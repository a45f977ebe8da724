"""Remembers in a signed cookie which people have signed in before in this browser.

Wrong passwords typed in other browsers do not lock out a person in a known browser
(accounts/access/sign_in.py). The cookie signs nobody in and holds no name or e-mail address.
Scripts cannot read it.
"""

import hashlib
import secrets
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "known_browser"
SALT = "accounts.known_browser"
AGE = 180 * 24 * 3600  # seconds since the last sign-in
# People remembered in one browser; the person with the oldest sign-in is dropped first.
MOST_PEOPLE = 8


def number_of(request: HttpRequest, account: str) -> str:
    """The browser's random number if `account` has signed in with it before, else ""."""
    number, people = _read(request)
    return number if _digest(number, account) in people else ""


def remember(request: HttpRequest, response: HttpResponse, account: str) -> None:
    """Set the cookie so that this browser is known for `account` from now on."""
    number, people = _read(request)
    number = number or secrets.token_urlsafe(16)
    digest = _digest(number, account)
    people = [digest, *(other for other in people if other != digest)][:MOST_PEOPLE]
    response.set_cookie(
        COOKIE,
        signing.dumps({"number": number, "people": people}, salt=SALT),
        max_age=AGE,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )


def _read(request: HttpRequest) -> tuple[str, list[str]]:
    try:
        said: dict[str, Any] = signing.loads(
            request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=AGE
        )
    except signing.BadSignature:
        return "", []
    return said["number"], said["people"]


def _digest(number: str, account: str) -> str:
    return hashlib.sha256(f"{number}:{account}".encode()).hexdigest()[:32]
