"""A webhook receiver that records what it was sent."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WAIT_SECONDS = 20.0


@dataclass(frozen=True)
class Event:
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.raw)
        return body

    @property
    def status(self) -> str:
        return str(self.body["data"]["status"])


class Receiver:
    """Answers with `answers` one after the other, then 204. `wait(n)` waits for n events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.answers: list[int] = []
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhooks/fulfillment/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait(self, count: int) -> list[Event]:
        with self._arrived:
            done = self._arrived.wait_for(lambda: len(self.events) >= count, WAIT_SECONDS)
            assert done, f"{len(self.events)} of {count} events came"
            return list(self.events)

    def forget(self) -> None:
        with self._arrived:
            self.events.clear()
            self.answers.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, event: Event) -> int:
        with self._arrived:
            self.events.append(event)
            self._arrived.notify_all()
            return self.answers.pop(0) if self.answers else 204

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(receiver._take(Event(headers, raw)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Log nothing."""

        return Handler
