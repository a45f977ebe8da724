"""The Redis cache, with what the portal needs while Redis is down.

Without Redis, each method answers as if every key were missing; django-redis does so for most of
them only. A page must not wait for a timeout at each cache call, and limits must still hold:
without a counter they would stop nobody, and without its lock allauth would let nobody sign in.
"""

import functools
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.core.cache import BaseCache, caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django_redis.cache import RedisCache
from django_redis.exceptions import ConnectionInterrupted
from redis import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

REST_SECONDS = 5.0


class _Resting(Connection):
    """A connection that stops using Redis for REST_SECONDS after a failed connect or a timeout.

    This holds for all connections of the process.
    """

    rest_until: ClassVar[float] = 0.0

    def connect(self, *args: Any, **kwargs: Any) -> None:
        _refuse_while_resting()
        try:
            super().connect(*args, **kwargs)  # type: ignore[no-untyped-call]
        except Exception:
            _rest()
            raise

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        _refuse_while_resting()
        super().send_packed_command(*args, **kwargs)  # type: ignore[no-untyped-call]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)
        except RedisTimeoutError:
            _rest()
            raise


def _refuse_while_resting() -> None:
    if time.monotonic() < _Resting.rest_until:
        raise RedisConnectionError("Redis did not answer a moment ago; not asked again yet")


def _rest() -> None:
    _Resting.rest_until = time.monotonic() + REST_SECONDS


class _RestingSSL(_Resting, SSLConnection):
    """The same for TLS connections."""


def connection_class(url: str) -> type[Connection]:
    """The connection class for a redis:// or rediss:// address."""
    return _RestingSSL if url.startswith("rediss:") else _Resting


# ResponseError: a Redis that is full, loading or read-only.
_FAILURES = (RedisConnectionError, RedisTimeoutError, ResponseError, OSError)


class _Reporting:
    """django-redis's client, whose calls all report a failure of Redis as ConnectionInterrupted.

    `RedisCache` ignores this error in each of its methods. The client itself does not raise it in
    all of them (`touch`, for example, raises the error of the connection).
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not callable(found):
            return found

        @functools.wraps(found)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return found(*args, **kwargs)
            except _FAILURES as error:
                raise ConnectionInterrupted(connection=None) from error

        return call


LIMITS = ("allauth:", "limit:")  # the key prefixes of limits: allauth's and ours


class PortalCache(RedisCache):  # type: ignore[misc] # the library's generic is not annotated
    """A Redis cache that counts limits in this process while Redis does not accept them.

    Each process then counts separately from zero, so with N processes a limit allows N times as
    much. A Redis that is full still answers reads; keys that it refused are read from this process.
    """

    @functools.cached_property
    def client(self) -> Any:
        return _Reporting(super().client)

    def add(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self._written(super().add, "add", key, *args, **kwargs)

    def set(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self._written(super().set, "set", key, *args, **kwargs)

    def incr(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self._counted(super().incr, "incr", key, *args, **kwargs)

    def decr(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self._counted(super().decr, "decr", key, *args, **kwargs)

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        if key.startswith(LIMITS) and (value := _here().get(key)) is not None:
            return value
        return super().get(key, *args, **kwargs)

    def has_key(self, key: str, *args: Any, **kwargs: Any) -> bool:
        here = key.startswith(LIMITS) and _here().has_key(key, *args, **kwargs)
        return bool(here or super().has_key(key, *args, **kwargs))

    def touch(self, key: str, *args: Any, **kwargs: Any) -> bool:
        here = key.startswith(LIMITS) and _here().touch(key, *args, **kwargs)
        return bool(super().touch(key, *args, **kwargs) or here)

    def delete(self, key: str, *args: Any, **kwargs: Any) -> bool:
        here = key.startswith(LIMITS) and _here().delete(key)
        return bool(super().delete(key, *args, **kwargs) or here)

    def get_many(self, keys: Iterable[str], version: int | None = None) -> dict[str, Any]:
        keys = list(keys)
        here = _here().get_many([key for key in keys if key.startswith(LIMITS)], version)
        # Copied, because without Redis django-redis gives everybody the same dictionary.
        return {**super().get_many(keys, version=version), **here}

    def set_many(
        self,
        data: Mapping[str, Any],
        timeout: Any = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> list[str]:
        """Returns the keys that were not stored."""
        limits = {key: value for key, value in data.items() if key.startswith(LIMITS)}
        BaseCache.set_many(self, limits, timeout, version)
        others = {key: value for key, value in data.items() if key not in limits}
        try:
            self.client.set_many(others, timeout=timeout, version=version)
        except ConnectionInterrupted:
            return list(others)
        return []

    def delete_many(self, keys: Iterable[str], version: int | None = None) -> None:
        keys = list(keys)
        _here().delete_many([key for key in keys if key.startswith(LIMITS)], version)
        super().delete_many(keys, version=version)

    def clear(self) -> Any:
        _here().clear()
        return super().clear()

    def _counted(self, usual: Any, method: str, key: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._written(usual, method, key, *args, **kwargs)
        except ValueError:  # the key is not in Redis
            if not key.startswith(LIMITS):
                raise
            return getattr(_here(), method)(key, *args, **kwargs)

    def _written(self, usual: Any, method: str, key: str, *args: Any, **kwargs: Any) -> Any:
        if not key.startswith(LIMITS):
            return usual(key, *args, **kwargs)
        try:
            done = getattr(self.client, method)(key, *args, **kwargs)
        except ConnectionInterrupted:
            return getattr(_here(), method)(key, *args, **kwargs)
        _here().delete(key)  # Redis accepts writes again, so its value replaces the local one
        return done


def _here() -> Any:
    return caches["limits"]
