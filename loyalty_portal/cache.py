"""The cache that may be absent: Redis makes the portal quick, never right or wrong.

django-redis answers as if the key were missing when Redis does not answer. What is left to
us is that a page must not wait for the timeout at each of its cache calls, and that limits hold
all the same: without a count nobody is held back, and without its lock allauth lets nobody in.
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
    """After a failed connect, or an answer that did not come in time, this process leaves Redis
    alone for `REST_SECONDS`, on all of its connections.
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
    """The same over TLS."""


def connection_class(url: str) -> type[Connection]:
    """The class for a redis:// or rediss:// address."""
    return _RestingSSL if url.startswith("rediss:") else _Resting


LIMITS = ("allauth:", "limit:")  # how keys of limits begin: the library's, and our own


class PortalCache(RedisCache):  # type: ignore[misc] # the library's generic is not annotated
    """Redis; but what limits somebody is kept by this process while Redis does not take it.

    Then each process counts for itself, from nothing: with N processes a limit holds N times as
    much. A Redis that is full still answers: what could not be written there is read here.
    """

    def add(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self._written(super().add, "add", key, *args, **kwargs)

    def set(self, key: str, *args: Any, **kwargs: Any) -> Any:
        return self._written(super().set, "set", key, *args, **kwargs)

    def incr(self, key: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._written(super().incr, "incr", key, *args, **kwargs)
        except ValueError:  # Redis has no such key
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
        _here().delete(key)  # so that what is here could not be written there, lately
        return done


def _here() -> Any:
    return caches["limits"]
