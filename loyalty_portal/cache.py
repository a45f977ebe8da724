"""The Redis cache, with what the portal needs while Redis is down.

Without Redis, django-redis answers as if every key were missing. This module adds two things: a
page must not wait for a timeout at each cache call, and limits must still hold. Without a counter
they would stop nobody, and without its lock allauth would let nobody sign in.
"""

import time
from typing import Any, ClassVar

from django.core.cache import caches
from django_redis.cache import RedisCache
from django_redis.exceptions import ConnectionInterrupted
from redis import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
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


LIMITS = ("allauth:", "limit:")  # the key prefixes of limits: allauth's and ours


class PortalCache(RedisCache):  # type: ignore[misc] # the library's generic is not annotated
    """A Redis cache that counts limits in this process while Redis does not accept them.

    Each process then counts separately from zero, so with N processes a limit allows N times as
    much. A Redis that is full still answers reads; keys that it refused are read from this process.
    """

    def add(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self._written(super().add, "add", key, *args, **kwargs)

    def set(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self._written(super().set, "set", key, *args, **kwargs)

    def incr(self, key: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._written(super().incr, "incr", key, *args, **kwargs)
        except ValueError:  # the key is not in Redis
            if not key.startswith(LIMITS):
                raise
            return _here().incr(key, *args, **kwargs)

    def get(self, key: str, *args: Any, **kwargs: Any) -> Any:
        if key.startswith(LIMITS) and (value := _here().get(key)) is not None:
            return value
        return super().get(key, *args, **kwargs)

    def delete(self, key: str, *args: Any, **kwargs: Any) -> Any:
        if key.startswith(LIMITS):
            _here().delete(key)
        return super().delete(key, *args, **kwargs)

    def clear(self) -> Any:
        _here().clear()
        return super().clear()

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
