"""The cache that may be absent: Redis makes the portal quick, never right or wrong.

django-redis answers as if the key were missing when Redis does not answer. What is left to
us is that a page must not wait for the timeout at each of its cache calls.
"""

import time
from typing import Any, ClassVar

from redis import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

REST_SECONDS = 5.0


class _Resting(Connection):
    """After a failed connect, this process leaves Redis alone for `REST_SECONDS`."""

    rest_until: ClassVar[float] = 0.0

    def connect(self, *args: Any, **kwargs: Any) -> None:
        if time.monotonic() < _Resting.rest_until:
            raise RedisConnectionError("Redis did not answer a moment ago; not asked again yet")
        try:
            super().connect(*args, **kwargs)  # type: ignore[no-untyped-call]
        except Exception:
            _Resting.rest_until = time.monotonic() + REST_SECONDS
            raise


class _RestingSSL(_Resting, SSLConnection):
    """The same over TLS."""


def connection_class(url: str) -> type[Connection]:
    """The class for a redis:// or rediss:// address."""
    return _RestingSSL if url.startswith("rediss:") else _Resting
