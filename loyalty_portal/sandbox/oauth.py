"""Checks credentials: OAuth 2.0 client credentials (RFC 6749, 4.4) or a key in X-API-Key."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote_plus

from loyalty_portal.sandbox.problems import Answer, ProblemError
from loyalty_portal.sandbox.store import Store


@dataclass(frozen=True)
class Credentials:
    client_id: str = "portal"
    client_secret: str = "portal-secret"  # noqa: S105 - a pretend partner's, published in the docs
    api_key: str = "sandbox-key"


class Door:
    def __init__(self, store: Store, credentials: Credentials) -> None:
        self._store = store
        self._credentials = credentials

    def admit(self, headers: Mapping[str, str]) -> None:
        """Check a request's credentials. Raises 401 `unauthorized`."""
        key = headers.get("X-API-Key")
        if key is not None and _same(key, self._credentials.api_key):
            return
        token = bearer(headers)
        live = token and self._store.row(
            "SELECT 1 FROM token WHERE token = ? AND expires_at > ?", token, time.time()
        )
        if not live:
            raise unauthorized()

    def expire(self, headers: Mapping[str, str]) -> None:
        """Expire the token of this request."""
        with self._store.write():
            self._store.run("DELETE FROM token WHERE token = ?", bearer(headers))

    def grant(self, headers: Mapping[str, str], raw: bytes, life: float) -> Answer:
        """Issue a token valid for `life` seconds, or answer an error in the form of RFC 6749."""
        form = dict(parse_qsl(raw.decode("utf-8", "replace")))
        if form.get("grant_type") != "client_credentials":
            return Answer(HTTPStatus.BAD_REQUEST, {"error": "unsupported_grant_type"})
        given = _basic(headers) or (form.get("client_id", ""), form.get("client_secret", ""))
        known = (self._credentials.client_id, self._credentials.client_secret)
        if not (_same(given[0], known[0]) & _same(given[1], known[1])):
            return Answer(
                HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"}, {"WWW-Authenticate": "Basic"}
            )
        token = secrets.token_urlsafe(24)
        with self._store.write():
            self._store.run("DELETE FROM token WHERE expires_at < ?", time.time())
            self._store.run("INSERT INTO token VALUES (?, ?)", token, time.time() + life)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": max(1, int(life))}
        return Answer(HTTPStatus.OK, body, {"Cache-Control": "no-store"})


def unauthorized() -> ProblemError:
    return ProblemError(
        HTTPStatus.UNAUTHORIZED,
        "unauthorized",
        "A valid bearer token or X-API-Key is needed.",
        {"WWW-Authenticate": "Bearer"},
    )


def bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _basic(headers: Mapping[str, str]) -> tuple[str, str] | None:
    scheme, _, encoded = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), known.encode())
