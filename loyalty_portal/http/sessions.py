"""Sessions in PostgreSQL, with a copy in Redis that saves a query on each page."""

from typing import Any

from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.core.cache import BaseCache

KEPT_SECONDS = 60
# In a session that was proved by more than a password: by what, such as "totp".
SECOND_FACTOR = "second_factor"


class SessionStore(CachedStore):
    """Django's cached_db sessions, but the cached copy expires after `KEPT_SECONDS`.

    A sign-out while Redis is down deletes only the row. Otherwise the copy would still be valid for
    two weeks when Redis returns.
    """

    _cache: BaseCache
    _session: dict[str, Any]

    def load(self) -> dict[str, Any]:
        data: dict[str, Any] | None = self._cache.get(self.cache_key)
        if data is None:
            data = DatabaseStore.load(self)
            if data:
                self._keep(data)
        return data

    def save(self, must_create: bool = False) -> None:
        DatabaseStore.save(self, must_create)
        self._keep(self._session)

    def _keep(self, data: dict[str, Any]) -> None:
        age = self.get_expiry_age(expiry=data.get("_session_expiry"))
        self._cache.set(self.cache_key, data, min(KEPT_SECONDS, age))
