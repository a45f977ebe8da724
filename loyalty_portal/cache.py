"""The cache that may be absent: Redis makes the portal quick, never right or wrong.

django-redis answers as if the key were missing when Redis does not answer. What is left to
us is that a page must not wait for the timeout at each of its cache calls.
"""

import time
from typing import Any, ClassVar

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
