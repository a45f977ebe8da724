"""A partner made of bare sockets, for answers that no HTTP server would send."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from email.message import Message
from email.parser import BytesHeaderParser
from types import TracebackType
from typing import Any, Self

from loyalty_portal.partners.client import PartnerConfig

Script = bytes | Callable[[socket.socket, threading.Event], None]


def script_id(script: Script) -> str:
    """A test id that is the same in every process, because parallel runs share tests by name."""
    return repr(script)[:60] if isinstance(script, bytes) else script.__name__


class Request:
    def __init__(self, head: bytes, body: bytes) -> None:
        self.line, _, rest = head.partition(b"\r\n")
        self.headers: Message = BytesHeaderParser().parsebytes(rest)
        self.body = body


class RawPartner:
    """Plays one script for each request, then repeats the last; `requests` are those received."""

    def __init__(
        self, *scripts: Script, keep_alive: bool = False, tls: ssl.SSLContext | None = None
    ) -> None:
        self.scripts = scripts
        self._tls = tls
        self.requests: list[Request] = []
        self.connections = 0
        self._keep_alive = keep_alive
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def config(self, **changes: Any) -> PartnerConfig:
        return config(self.url, **changes)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self._tls is None:
            return connection
        with connection:  # detached when it is wrapped, closed when that fails
            return self._tls.wrap_socket(connection, server_side=True)

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError), self._secured(connection) as connection:  # noqa: PLR1704
            while request := read_request(connection):
                script = self.scripts[min(len(self.requests), len(self.scripts) - 1)]
                self.requests.append(request)
                if isinstance(script, bytes):
                    connection.sendall(script)
                else:
                    script(connection, self._closing)
                if not self._keep_alive:
                    return


def config(url: str, **changes: Any) -> PartnerConfig:
    given: dict[str, Any] = {
        "name": "loyalty",
        "base_url": url,
        "api_key": "the-api-key",
        "oauth_token_url": "",
        "oauth_client_id": "",
        "oauth_client_secret": "",
        "timeout": 5.0,
        "deadline": 5.0,
    }
    return PartnerConfig(**given | changes)


def read_request(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    request = Request(head, body)
    while len(request.body) < int(request.headers.get("content-length", 0)):
        request.body += connection.recv(65536)
    return request


def reply(
    status: int = 200,
    body: bytes = b"{}",
    *,
    content_type: str = "application/json",
    headers: tuple[str, ...] = (),
) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Said So",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def problem(status: int, code: str, /, *, headers: tuple[str, ...] = (), **members: Any) -> bytes:
    body = {"status": status, "title": "No", "code": code, "detail": "not so"} | members
    return reply(
        status,
        json.dumps(body).encode(),
        content_type="application/problem+json",
        headers=headers,
    )


def reset(connection: socket.socket, closing: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def silence(connection: socket.socket, closing: threading.Event) -> None:
    closing.wait()


def drip(data: bytes, pause: float = 0.02) -> Script:
    """Send byte by byte, so that no single read waits long."""

    def script(connection: socket.socket, closing: threading.Event) -> None:
        for position in range(len(data)):
            if closing.wait(pause):
                return
            connection.sendall(data[position : position + 1])

    return script


def flood(first: bytes, again: bytes) -> Script:
    def script(connection: socket.socket, closing: threading.Event) -> None:
        connection.sendall(first)
        while not closing.is_set():
            connection.sendall(again)

    return script
