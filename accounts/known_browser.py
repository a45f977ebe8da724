"""Browsers in which somebody has signed in before: a signed cookie, which no script can read.

Strangers' wrong passwords lock an account to strangers only (accounts/sign_in.py). The cookie
signs nobody in, and holds neither a name nor an address.
"""

import hashlib
import secrets
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

COOKIE = "known_browser"
SALT = "accounts.known_browser"
AGE = 180 * 24 * 3600  # seconds since the last time that somebody signed in
MOST_PEOPLE = 8  # who share a browser; the one who has not signed in for longest is forgotten


def number_of(request: HttpRequest, account: str) -> str:
    """The browser's own number if `account` has signed in with it; otherwise nothing."""
    number, people = _read(request)
    return number if _digest(number, account) in people else ""


def remember(request: HttpRequest, response: HttpResponse, account: str) -> None:
    """From now on this browser is known to `account`."""
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
