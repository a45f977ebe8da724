"""Sockets that obey one deadline for a whole call.

A read timeout starts again with every byte, so a partner that sends single bytes could hold a
worker for as long as it likes. This happens in the headers too, which only the HTTP library sees.
Here no socket operation waits beyond the deadline of its call.
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import httpcore

_ends_at: ContextVar[float] = ContextVar("partner_call_ends_at")


@contextlib.contextmanager
def until(ends_at: float) -> Iterator[None]:
    """Set the deadline (of time.monotonic) for this thread's partner sockets during the block."""
    mark = _ends_at.set(ends_at)
    try:
        yield
    finally:
        _ends_at.reset(mark)


def _left(timeout: float | None, error: type[Exception]) -> float:
    left = _ends_at.get() - time.monotonic()
    if left <= 0:
        raise error("the deadline of the call has passed")
    return left if timeout is None else min(timeout, left)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class DeadlineBackend(httpcore.SyncBackend):
    """A network backend with deadlines. Only name lookups are limited by the system's resolver."""

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, to be tried in this order. The name is looked up once.

        Raises httpcore.ConnectError when there is none.
        """
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        return [str(address[0]) for *_, address in dict.fromkeys(found)]

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError("the name has no address")
        for address in self.addresses(host, port):
            left = _left(timeout, httpcore.ConnectTimeout)
            try:
                # Connect by address: a name with several addresses would get the timeout for each.
                return _Stream(
                    super().connect_tcp(address, port, left, local_address, socket_options)
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure
