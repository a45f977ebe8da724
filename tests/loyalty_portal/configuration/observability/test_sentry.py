"""What leaves for Sentry, read from what its own library sends over HTTP."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.daemons import ROOT

BREAK = """
import logging
import django
django.setup()
from django.test import RequestFactory
from django.urls import resolve
from loyalty_portal.configuration.observability import traces
from loyalty_portal.configuration.observability.origin import belonging_to
traces.start("web")
request = RequestFactory().post("/orders/PO-1/?q=wheelchair", {"recipient": "Ada Byron"},
                                headers={"Cookie": "sessionid=s3cret"})
request.resolver_match = resolve("/orders/")
try:
    code = "GIFT-CODE-1"
    raise ValueError("ada@northwind.example has " + code)
except ValueError:
    with belonging_to("click-0001"):
        logging.getLogger("django.request").error(
            "%s: %s", "Internal Server Error", request.path, exc_info=True,
            extra={"request": request, "status_code": 500})
logging.getLogger("room").error("no points for %s", "Ada Byron")
import sentry_sdk
sentry_sdk.flush(10)
"""


@pytest.fixture
def sent() -> Iterator[tuple[int, list[str]]]:
    """The port of a Sentry, and what it got."""
    got: list[str] = []

    class Call(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            got.append(body.decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_given: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Call)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield int(server.server_address[1]), got
    server.shutdown()
    server.server_close()


def test_an_error_is_told_by_its_kind_and_place_and_nothing_personal(
    sent: tuple[int, list[str]],
) -> None:
    port, got = sent
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "loyalty_portal.settings",
        "SENTRY_DSN": f"http://{'f' * 8}@127.0.0.1:{port}/1",
    }
    subprocess.run([sys.executable, "-c", BREAK], cwd=ROOT, env=environment, check=True)

    events = [json.loads(each.splitlines()[2]) for each in got if '"exception"' in each]
    [broken] = [each for each in events if each["exception"]["values"]]
    [raised] = broken["exception"]["values"]
    assert raised["type"] == "ValueError"
    assert raised["stacktrace"]["frames"]
    assert broken["tags"] == {
        "process": "web", "request_id": "click-0001", "route": "orders:list", "method": "POST",
    }  # fmt: skip
    assert [each["message"] for each in events if "message" in each] == ["no points for %s"]
    text = "".join(got)
    personal = (
        "Ada",
        "northwind",
        "GIFT-CODE",
        "wheelchair",
        "s3cret",
        "PO-1",
        os.uname().nodename,
    )
    assert not [word for word in personal if word in text]
