"""The gunicorn worker: an event loop talks to clients, and threads run Django.

gunicorn's threaded worker gives each connection a thread at once, so sixty clients that send a form
slowly hold all threads. Here a thread gets a request only after its last byte, and returns its
response before the first byte is sent, so slow clients hold no thread. Requests and responses in
transfer are kept in memory, from 64 KiB on in a temporary file.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from io import BytesIO
from typing import IO, Any
from urllib.parse import unquote_to_bytes
from weakref import WeakSet

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.observability.access import tell
from loyalty_portal.configuration.processes import shutdown_delay
from loyalty_portal.http.draining import draining

# One ASGI message, and its scope.
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]

HEAD_SECONDS = 15.0  # for a new connection to send the head of its first request
BODY_SECONDS = 30.0  # for a body, plus a second for each BYTES_A_SECOND received
BYTES_A_SECOND = 16 * 1024
MAX_BODY_BYTES = 20 * 1024 * 1024  # the largest upload of our forms, with its multipart overhead
# Pages that take larger uploads, by their addresses.
MORE_BYTES = {"/admin/catalog/product/import/": 100 * 1024 * 1024}
IN_MEMORY_BYTES = 64 * 1024
CHUNK_BYTES = 64 * 1024
# Addresses whose application says itself why a request was refused, by REFUSED in the environment.
SAYS_ITSELF = "/api/"
REFUSED = "portal.refused"


class RequestRefusedError(Exception):
    """A request is refused before it reaches a thread. Carries the status to answer, and a
    sentence.
    """

    def __init__(self, status: HTTPStatus, sentence: str = "") -> None:
        self.status = status
        self.sentence = sentence or f"{status.phrase}."


class TooLargeError(RequestRefusedError):
    """A request has more than `most` bytes."""

    def __init__(self, most: int) -> None:
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        told = f"{status.phrase}. This address takes at most {most // (1024 * 1024)} MB."
        super().__init__(status, told)


class Response:
    """The application's response: status, headers, and a file with the body."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115

    def start(
        self, status: str, headers: list[tuple[str, str]], _error: object = None
    ) -> Callable[[bytes], object]:
        self.status = int(status.split(" ", 1)[0])
        self.headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers
        ]
        return self.body.write


class BufferedApplication:
    """An ASGI application that runs a WSGI application in threads, with buffering."""

    def __init__(self, application: Application, threads: int) -> None:
        self.application = application
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="web")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # the portal has no websockets
            await send({"type": "websocket.close"})
            return
        try:
            body = await _received(scope, receive)
        except RequestRefusedError as refused:
            await self._refuse(scope, send, refused)
            return
        if body is not None:
            await self._answer(scope, send, body, {})

    async def _answer(self, scope: Message, send: Send, body: IO[bytes], more: Environ) -> None:
        loop = asyncio.get_running_loop()
        response = await loop.run_in_executor(self.threads, self.run, scope, body, more)
        with response.body:
            await _send(send, response)

    async def _refuse(self, scope: Message, send: Send, refused: RequestRefusedError) -> None:
        """Refuse a request whose body did not come whole, and close the connection."""
        status = refused.status
        if scope["path"].startswith(SAYS_ITSELF):
            body: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115
            await self._answer(scope, send, body, {REFUSED: int(status)})
        else:
            tell(scope["method"], "", int(status), 0.0)
            await _refuse(send, status, refused.sentence)

    def run(self, scope: Message, body: IO[bytes], more: Environ) -> Response:
        """Run the application to its end, even if the client has left meanwhile. `more` is added
        to its environment.
        """
        response = Response()
        with body:
            chunks = self.application(environ_of(scope, body) | more, response.start)
            try:
                for chunk in chunks:
                    response.body.write(chunk)
            finally:
                close = getattr(chunks, "close", None)
                if close:
                    close()
        return response


async def _received(scope: Message, receive: Receive) -> IO[bytes] | None:
    """Receive the whole body and return it as a file; None when the client left before.

    Raises `RequestRefusedError` when the body is too large or too slow.
    """
    stated = dict(scope["headers"]).get(b"content-length", b"0")
    most = MORE_BYTES.get(scope["path"], MAX_BODY_BYTES)
    if int(stated) > most:
        raise TooLargeError(most)
    body: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115
    try:
        is_whole = await _fill(body, receive, most)
    except BaseException:
        body.close()
        raise
    if not is_whole:
        body.close()
        return None
    body.seek(0)
    return body


async def _fill(body: IO[bytes], receive: Receive, most: int) -> bool:
    """Write the body into the file, at most `most` bytes. Returns False when the client left before
    its end.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    while True:
        allowed = BODY_SECONDS + body.tell() / BYTES_A_SECOND
        try:
            async with asyncio.timeout_at(began + allowed):
                message = await receive()
        except TimeoutError:
            raise RequestRefusedError(HTTPStatus.REQUEST_TIMEOUT) from None
        if message["type"] == "http.disconnect":
            return False
        body.write(message.get("body", b""))
        if body.tell() > most:
            raise TooLargeError(most)
        if not message.get("more_body"):
            return True


def environ_of(scope: Message, body: IO[bytes]) -> Environ:
    """The WSGI environment (PEP 3333) of a request whose body is complete.

    Content-Length is set for a body of unknown length. Headers with an underscore are dropped: in
    the environment they would look like headers with a hyphen, which a proxy may have set.
    """
    host, port = scope.get("server") or ("localhost", 80)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"].partition(b"?")[0]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "REMOTE_ADDR": (scope.get("client") or ("", 0))[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name or name in {"transfer-encoding", "content-length"}:
            continue
        key = name.upper().replace("-", "_")
        if key != "CONTENT_TYPE":
            key = f"HTTP_{key}"
        joint = "; " if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value
    environ["CONTENT_LENGTH"] = str(_length(body))
    return environ


def _length(file: IO[bytes]) -> int:
    """The size of the file in bytes. Leaves the position at the beginning."""
    length = file.seek(0, 2)
    file.seek(0)
    return length


async def _send(send: Send, response: Response) -> None:
    length = _length(response.body)
    headers = response.headers
    has_body = response.status >= 200 and response.status not in {204, 304}
    if has_body and not any(name == b"content-length" for name, _value in headers):
        headers = [*headers, (b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    left = length
    while True:
        chunk = response.body.read(CHUNK_BYTES)
        left -= len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": left > 0})
        if left <= 0:
            return


async def _refuse(send: Send, status: HTTPStatus, sentence: str) -> None:
    text = f"{sentence}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


class PatientProtocol(ASGIProtocol):  # type: ignore[misc]
    """A connection that is closed when its first request does not begin in time, and on which the
    application says why a request to SAYS_ITSELF cannot be read.

    gunicorn's own timeout covers only later requests of a connection, and its own words are plain
    text.
    """

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.worker.connections.add(self)
        self._keepalive_handle = self.worker.loop.call_later(HEAD_SECONDS, self._keepalive_timeout)

    def _send_error_response(
        self, status: int, message: str, extra_headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        """Refuse a request whose head is too long or no HTTP. gunicorn closes the connection then.

        The application looks at nothing but the status, so no thread is needed for it.
        """
        if not self._target().startswith(SAYS_ITSELF):
            super()._send_error_response(status, message, extra_headers)
            return
        scope = {
            "method": "GET",
            "scheme": "http",
            "http_version": "1.1",
            "raw_path": SAYS_ITSELF.encode(),
            "query_string": b"",
            "headers": [],
            "client": self.transport.get_extra_info("peername"),
        }
        answer = self.worker.asgi.run(scope, BytesIO(), {REFUSED: status})
        with answer.body as body:
            length = _length(body)
            lines = [
                f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}".encode(),
                *(name + b": " + value for name, value in answer.headers),
                f"content-length: {length}".encode(),
            ]
            self._safe_write(b"\r\n".join(lines) + b"\r\n\r\n" + body.read())

    def _target(self) -> str:
        """What the request that is being read asks for, as far as it was read."""
        parser = self._callback_parser
        if parser is None:
            return ""
        line: bytes = parser.path or parser._buffer[:64].partition(b" ")[2]  # noqa: SLF001 - not read yet
        return line.decode("latin-1")

    def end_if_idle(self) -> None:
        """Close the connection if no request is in progress."""
        if self._awaiting_request and self.req_count > 1:
            self._keepalive_timeout()


class PortalWorker(gasgi.ASGIWorker):  # type: ignore[misc]
    """gunicorn's asyncio worker, running our WSGI application in `threads` threads."""

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Check nothing: the base class would warn that it ignores `threads`, but this one
        uses it.
        """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: WeakSet[PatientProtocol] = WeakSet()

    def handle_exit_signal(self) -> None:
        """Go on serving for SHUTDOWN_DELAY, until balancers have seen that `/readyz` is 503."""
        draining.set()
        self.loop.call_later(shutdown_delay(Environment()), self._finish)

    def _finish(self) -> None:
        """Finish running requests; close idle connections at once."""
        super().handle_exit_signal()
        for connection in set(self.connections):
            connection.end_if_idle()

    def load_wsgi(self) -> None:
        # The base class creates connections with this name and has no other hook.
        gasgi.ASGIProtocol = PatientProtocol
        self.asgi = BufferedApplication(self.app.wsgi(), self.cfg.threads)
