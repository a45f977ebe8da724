"""The tokens with which people call the API: an access token of minutes, and a refresh token of
days that works once (docs/decisions/0060-tokens-of-people.md).

Both are JWTs, signed by the newest of settings.JWT_SIGNING_KEYS and verified by any of them. They
belong to a session (accounts/access/sessions.py), and each use asks the session's row: whatever
ends the session ends its tokens.
"""

import functools
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import jwt
from allauth.headless.internal import sessionkit
from allauth.headless.tokens.strategies.base import AbstractTokenStrategy
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.access import sessions
from accounts.models import PersonSession
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.configuration.tokens import private_key
from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.data.encrypted_field import DecryptionError, decrypt, encrypt

AUDIENCE, ALGORITHM = "portal-api", "RS256"
ACCESS, REFRESH = "access", "refresh"  # the uses of a token
# A client that got no answer sends the same refresh token again, and gets the same successor.
GRACE = timedelta(seconds=10)
LEEWAY = 10  # seconds; the clocks of our own servers differ
LONGEST = 4096  # characters
PLACE = "session token"  # what the token of a sign-in that goes on is bound to
_CLAIMS = ("iss", "aud", "sub", "sid", "jti", "iat", "exp", "token_use")


class Pair(NamedTuple):
    """The two tokens of a session."""

    access: str
    refresh: str

    def told(self) -> dict[str, Any]:
        """The tokens as an answer tells them. `expires_in`: seconds, of the access token."""
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "expires_in": settings.JWT_ACCESS_SECONDS,
        }


# --- Keys ---------------------------------------------------------------------------------------


class SigningKey(NamedTuple):
    """A key, and the id by which tokens name it."""

    id: str
    private: RSAPrivateKey
    public: RSAPublicKey


def signing_keys() -> tuple[SigningKey, ...]:
    """The keys of settings.JWT_SIGNING_KEYS, newest first. A file is read once."""
    return tuple(map(_key_in, settings.JWT_SIGNING_KEYS))


@functools.cache
def _key_in(file: str) -> SigningKey:
    private = private_key(file)
    public = private.public_key()
    hashed = Hash(SHA256())
    hashed.update(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return SigningKey(hashed.finalize().hex()[:16], private, public)


# --- Tokens -------------------------------------------------------------------------------------


def session_of(token: str) -> PersonSession | None:
    """The valid session of an access token, with its person; None for whatever is no such token."""
    claims = _claims(token, ACCESS)
    row = _rows(claims).first() if claims else None
    return row if row and sessions.is_valid(row) else None


def tokens_of(row: PersonSession) -> Pair:
    """The tokens of a session: a new access token, and its refresh token, which is the same each
    time.
    """
    if row.refreshed_at is None:
        raise ValueError("A session of a browser has no tokens")
    now, made = int(timezone.now().timestamp()), int(row.refreshed_at.timestamp())
    return Pair(
        _signed(row, ACCESS, token_id=uuid4(), at=now, seconds=settings.JWT_ACCESS_SECONDS),
        _signed(
            row, REFRESH, token_id=row.refresh_id, at=made, seconds=settings.JWT_REFRESH_SECONDS
        ),
    )


@transaction.atomic
def refreshed(token: str, request: HttpRequest) -> Pair | None:
    """The tokens that follow on a refresh token; None when it is none, or not valid any more.

    Whoever sends a token that was used before has stolen it, or was stolen from: the session ends.
    """
    claims = _claims(token, REFRESH)
    row = _held(claims) if claims else None
    if claims is None or row is None or not sessions.is_valid(row):
        return None
    used = UUID(claims["jti"])
    if used == row.refresh_id:
        _turn(row, request)
    elif not _is_repeated(row, used):
        sessions.delete(row)
        record(
            TrailKind.SESSION_ENDED, by=SYSTEM, about=row.user, facts={"which": "token used twice"}
        )
        return None
    return tokens_of(row)


def _turn(row: PersonSession, request: HttpRequest) -> None:
    """Give the session another refresh token, and let it last as long as that."""
    row.refreshed_from, row.refresh_id, row.refreshed_at = row.refresh_id, uuid4(), timezone.now()
    for column, value in sessions.from_where(request).items():
        setattr(row, column, value)
    row.save()
    ends = row.refreshed_at + timedelta(seconds=settings.JWT_REFRESH_SECONDS)
    Session.objects.filter(session_key=row.session_key).update(expire_date=ends)


def _is_repeated(row: PersonSession, used: UUID) -> bool:
    """Whether this is the token before, a moment after its successor was made."""
    if row.refreshed_at is None or used != row.refreshed_from:
        return False
    return timezone.now() - row.refreshed_at <= GRACE


def _held(claims: dict[str, Any]) -> PersonSession | None:
    """The session of a token, locked: calls with one refresh token come one after another."""
    return _rows(claims).select_for_update(of=("self",), no_key=True).first()


def _rows(claims: dict[str, Any]) -> QuerySet[PersonSession]:
    rows = sessions.unended().filter(pk=claims["sid"], user=claims["sub"])
    return rows.exclude(refresh_id=None).select_related("user").order_by()


def _signed(row: PersonSession, use: str, *, token_id: UUID | None, at: int, seconds: int) -> str:
    newest = signing_keys()[0]
    claims = {
        "iss": settings.PORTAL_URL,
        "aud": AUDIENCE,
        "sub": str(row.user_id),
        "sid": str(row.pk),
        "jti": str(token_id),
        "iat": at,
        "exp": at + seconds,
        "token_use": use,
    }
    return jwt.encode(claims, newest.private, algorithm=ALGORITHM, headers={"kid": newest.id})


def _claims(token: str, use: str) -> dict[str, Any] | None:
    """What a token of ours says, when it is valid and for this use."""
    if len(token) > LONGEST:
        return None
    keys = {key.id: key.public for key in signing_keys()}
    try:
        named = keys[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token,
            named,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=settings.PORTAL_URL,
            leeway=LEEWAY,
            options={"require": list(_CLAIMS)},
        )
    # A header of deeply nested JSON is a RecursionError.
    except (jwt.PyJWTError, LookupError, ValueError, TypeError, RecursionError):
        return None
    return claims if claims["token_use"] == use else None


# --- What allauth asks for ----------------------------------------------------------------------


class SessionTokens(AbstractTokenStrategy):  # type: ignore[misc] # allauth carries no types
    """The tokens for allauth's views. A sign-in that waits for its second step has a token of its
    own: the key of its session, encrypted, so that no browser can take it for a cookie.
    """

    def get_session_token(self, request: HttpRequest) -> str | None:
        """The key of the session of this request, by either token."""
        sealed = request.headers.get("X-Session-Token")
        if sealed:
            try:
                return decrypt(sealed, place=PLACE)
            except DecryptionError:
                return None
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        row = session_of(token.strip()) if scheme.lower() == "bearer" else None
        return row.session_key if row else None

    def create_session_token(self, request: HttpRequest) -> str:
        """A token for a sign-in that goes on; "" when it is done."""
        if request.user.is_authenticated:
            return ""
        if not request.session.session_key:
            request.session.save()
        return encrypt(str(request.session.session_key), place=PLACE)

    def lookup_session(self, session_token: str) -> Any:
        return sessionkit.lookup_session(session_token)

    def create_access_token_payload(self, request: HttpRequest) -> dict[str, Any]:
        return tokens_of(sessions.own_row(request)).told()
