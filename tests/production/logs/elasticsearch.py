"""What of Elasticsearch 8 a shipper of logs meets: `_bulk`, as strict as the real one about it."""

from __future__ import annotations

import json
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class Elasticsearch(AbstractContextManager["Elasticsearch"]):
    """`lines`: what was stored, by its id. `refused`: why bulks were refused as a whole."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, Any]] = {}
        self.refused: list[str] = []
        self.streams: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Call)
        self._server.store = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Elasticsearch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def bulk(self, body: bytes) -> tuple[int, dict[str, Any]]:
        rows = [json.loads(row) for row in body.decode().splitlines()]
        items = []
        for action, line in zip(rows[::2], rows[1::2], strict=True):
            [(verb, about)] = action.items()
            if "_type" in about:
                why = "Action/metadata line [1] contains an unknown parameter [_type]"
                self.refused.append(why)
                return 400, {"error": {"type": "illegal_argument_exception", "reason": why}}
            items.append({verb: self._store(verb, about, line)})
        failed = any("error" in each[verb] for each in items for verb in each)
        return 200, {"took": 1, "errors": failed, "items": items}

    def _store(self, verb: str, about: dict[str, str], line: dict[str, Any]) -> dict[str, Any]:
        self.streams.add(about["_index"])
        if verb != "create" or "@timestamp" not in line:
            return {"status": 400, "error": {"type": "illegal_argument_exception"}}
        if about["_id"] in self.lines:
            return {"status": 409, "error": {"type": "version_conflict_engine_exception"}}
        self.lines[about["_id"]] = line
        return {"status": 201, "result": "created"}


class _Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(200, {"version": {"number": "8.17.0"}})

    def do_HEAD(self) -> None:
        self._answer(200, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(*self.server.store.bulk(body))  # type: ignore[attr-defined]

    def _answer(self, status: int, said: dict[str, Any]) -> None:
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, *_given: object) -> None:
        """Say nothing."""
