"""OAuth 2.0 access tokens for partners. All processes share one, and one of them renews it.

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

EARLY = 30.0  # seconds before its expiry at which a token is no longer used
FETCHING = 10  # seconds for which one process may keep the others from fetching
POLL = 0.1


class TokenError(Exception):
    """No token could be fetched. The message is for people and has no secrets."""


class TokenRefusedError(TokenError):
    """The token endpoint rejects our client id or secret."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A token. `expires_at` is in seconds since the epoch."""

    token: str = field(repr=False)
    expires_at: float

    def is_fresh(self) -> bool:
        return self.expires_at > time.time()


class TokenStore:
    """The token of one client at one partner; `credentials` are part of its cache key.

    `fetch` asks the partner. It gets a deadline (of time.monotonic) and raises TokenError.
    """

    def __init__(
        self, name: str, credentials: tuple[str, ...], fetch: Callable[[float], Grant]
    ) -> None:
        # The credentials are part of the key, so that changed credentials do not use an old token.
        # The shape is part of it because the token is stored as a list without field names.
        secret = fingerprint(json.dumps(credentials))
        self._key = f"partner-token:{name}:{shape_of(Grant)}:{secret}"
        self._fetch = fetch
        self._grant: Grant | None = None
        self._lock = threading.Lock()

    def token(self, *, ends_at: float, rejected: str = "") -> str:
        """Return a token other than the `rejected` one, by the deadline `ends_at` (of
        time.monotonic).

        Raises TokenError.
        """
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
        # The process with the lock may have died, so keep half of the time for fetching here.
        patience = now + min(ends_at - now, FETCHING) / 2
        # False: another process has the lock. None: there is no cache, so each process fetches.
        while (added := cache.add(f"{self._key}:lock", 1, timeout=FETCHING)) is False:
            if time.monotonic() >= patience:
                break
            time.sleep(POLL)
            if grant := self._shared(rejected):
                return grant
        try:
            # Another process may have stored a token just before this one got the lock.
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
