"""A receiver of OTLP over HTTP, as a collector is."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


class Seen(NamedTuple):
    """A span that arrived."""

    process: str
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    facts: dict[str, Any]
    failed: bool


class Receiver(AbstractContextManager["Receiver"]):
    """`spans`: all that arrived. While `hanging` is set, it takes what is sent and answers
    nothing.
    """

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.asked = threading.Event()
        self.hanging = threading.Event()
        self._go_on = threading.Event()
        self._is_away = False
        self._server = self._listening(0)

    def _listening(self, port: int) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", port), _Call)
        server.daemon_threads = True
        server.receiver = self  # type: ignore[attr-defined]
        return server

    def _serve(self) -> None:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens at its address in the block, and connections that were open break."""
        self._is_away = True
        port = self._server.server_address[1]
        self._server.shutdown()
        self._server.server_close()
        try:
            yield
        finally:
            self._is_away = False
            self._server = self._listening(port)
            self._serve()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def of(self, trace_id: str) -> list[Seen]:
        return [span for span in list(self.spans) if span.trace_id == trace_id]

    def __enter__(self) -> Receiver:
        self._serve()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._go_on.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: bytes) -> None:
        if self._is_away:
            raise ConnectionAbortedError
        self.asked.set()
        if self.hanging.is_set():
            self._go_on.wait()
        said = ExportTraceServiceRequest.FromString(body)
        for sender in said.resource_spans:
            process = _facts(sender.resource.attributes)["portal.process"]
            for scope in sender.scope_spans:
                self.spans += [_seen(process, span) for span in scope.spans]


def _seen(process: str, span: Any) -> Seen:
    return Seen(
        process,
        span.name,
        KINDS[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        _facts(span.attributes),
        failed=span.status.code == 2,
    )


def _facts(attributes: Iterable[Any]) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


class _Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.receiver.take(body)  # type: ignore[attr-defined]
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_given: object) -> None:
        """Say nothing."""
