"""OAuth 2.0 access tokens for partners: one for all processes, renewed by one of them.

The token is kept in this process and, encrypted, in the cache. Without the cache each process
fetches its own. It is never logged.
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.core.cache import cache

from loyalty_portal.data.encrypted_field import DecryptionError, decrypt, encrypt, fingerprint
from loyalty_portal.data.shapes import shape_of

EARLY = 30.0  # seconds before its end that a token is no longer used
FETCHING = 10  # seconds that one process may keep the others from fetching
POLL = 0.1


class TokenError(Exception):
    """No token to be had; the message is for people and holds no secret."""


class TokenRefusedError(TokenError):
    """The token endpoint does not take our client id or secret."""


@dataclass(frozen=True, slots=True)
class Grant:
    """`expires_at` in seconds since the epoch."""

    token: str = field(repr=False)
    expires_at: float

    def is_fresh(self) -> bool:
        return self.expires_at > time.time()


class TokenStore:
    """The token of one client at one partner, named by its `credentials`.

    `fetch` asks the partner, by a time on time.monotonic, and raises TokenError.
    """

    def __init__(
        self, name: str, credentials: tuple[str, ...], fetch: Callable[[float], Grant]
    ) -> None:
        # Other credentials, other token: one that was revoked must not live on in the cache.
        # The token is stored as a list, without the names of its fields: hence their shape.
        secret = fingerprint(json.dumps(credentials))
        self._key = f"partner-token:{name}:{shape_of(Grant)}:{secret}"
        self._fetch = fetch
        self._grant: Grant | None = None
        self._lock = threading.Lock()

    def token(self, *, ends_at: float, rejected: str = "") -> str:
        """A token that is not the one the partner `rejected`, by `ends_at` on time.monotonic."""
        if not self._lock.acquire(timeout=max(0.0, ends_at - time.monotonic())):
            raise TokenError("another thread is still fetching the token")
        try:
            grant = self._grant
            if grant is None or not grant.is_fresh() or grant.token == rejected:
                grant = self._shared(rejected) or self._renew(rejected, ends_at)
            self._grant = grant
            return grant.token
        finally:
            self._lock.release()

    def _shared(self, rejected: str) -> Grant | None:
        stored = cache.get(self._key)
        if not isinstance(stored, str):
            return None
        try:
            grant = Grant(*json.loads(decrypt(stored, place=self._key)))
        except DecryptionError:
            return None
        return grant if grant.is_fresh() and grant.token != rejected else None

    def _renew(self, rejected: str, ends_at: float) -> Grant:
        now = time.monotonic()
        # Whoever has the lock may have been killed: leave time to fetch one ourselves.
        patience = now + min(ends_at - now, FETCHING) / 2
        # False: another process has the lock. None: there is no cache, so each for itself.
        while (added := cache.add(f"{self._key}:lock", 1, timeout=FETCHING)) is False:
            if time.monotonic() >= patience:
                break
            time.sleep(POLL)
            if grant := self._shared(rejected):
                return grant
        try:
            # Whoever had the lock may have been done between our look and our turn.
            return self._shared(rejected) or self._fetched(ends_at)
        finally:
            if added:
                cache.delete(f"{self._key}:lock")

    def _fetched(self, ends_at: float) -> Grant:
        grant = self._fetch(ends_at)
        lifetime = grant.expires_at - time.time()
        if lifetime > 0:
            sealed = encrypt(json.dumps([grant.token, grant.expires_at]), place=self._key)
            cache.set(self._key, sealed, timeout=lifetime)
        return grant
