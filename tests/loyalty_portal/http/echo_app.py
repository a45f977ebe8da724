"""A WSGI application for the tests of the web worker: it answers with what it was asked."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.support.waiting import eventually

LARGE = 8 * 1024 * 1024  # bytes, more than the socket buffers between two processes hold


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/large":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (b"x" * 1024 for _ in range(LARGE // 1024))
    if path == "/nothing":
        start_response("204 No Content", [])
        return []
    if path == "/slow":  # a request in progress while its process is asked to stop
        began, go_on = Path(environ["HTTP_X_BEGAN"]), Path(environ["HTTP_X_GO_ON"])
        began.touch()
        eventually(go_on.exists, "told to go on")
    body = environ["wsgi.input"].read()
    seen = {key: value for key, value in environ.items() if isinstance(value, str)}
    said = json.dumps(seen | {"body": body.decode("latin-1")}).encode()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else said]
