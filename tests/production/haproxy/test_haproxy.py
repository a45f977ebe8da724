"""The balancer's shipped configuration, in front of an application that echoes requests."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

from loyalty_portal.api.problems import KINDS
from tests.production.haproxy.balancer import (
    CONFIGURATION,
    HAPROXY,
    MOST_AT_ONCE,
    SBIN,
    Balancer,
    for_this_user,
)
from tests.production.stack import make_certificate
from tests.support.daemons import Daemon
from tests.support.ports import answers, free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.skipif(
    not HAPROXY, reason="haproxy is missing (Debian: apt install haproxy)"
)
MADE = re.compile(r"[0-9a-f-]{36}")


class Front:
    """The balancer, and a browser that trusts its certificate."""

    def __init__(self, balancer: Balancer, tls: ssl.SSLContext) -> None:
        self.balancer = balancer
        self.trust(tls)

    def trust(self, tls: ssl.SSLContext) -> None:
        self.tls = tls
        address = f"https://127.0.0.1:{self.balancer.port}"
        self.browser = httpx.Client(base_url=address, verify=tls, timeout=30, trust_env=False)

    def seen(self, **headers: str) -> dict[str, str]:
        """What the application sees of a request with these headers."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.browser.post("/form?a=b", content=b"x=1", headers=headers)
        told: dict[str, str] = answer.json()
        return told | {"answered": answer.headers["X-Request-ID"]}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("haproxy")
    behind, nobody = free_port(), free_port()
    tls = ssl.create_default_context(cadata=make_certificate(folder / "portal.pem"))
    server = [sys.executable, "-m", "gunicorn", "tests.loyalty_portal.http.echo_app"]
    server += ["--bind", f"127.0.0.1:{behind}", "--log-level", "warning"]
    web = Daemon("web", server, {**os.environ, "WEB_CONCURRENCY": "1"}, folder)
    servers = {"WEB_1": behind, "WEB_2": nobody, "API_1": behind, "API_2": nobody}
    balancer = Balancer(folder, folder / "portal.pem", servers)
    with ExitStack() as stack:
        stack.callback(web.stop)
        web.start()
        eventually(lambda: answers(behind), "web")
        stack.callback(balancer.stop)
        balancer.start()
        eventually(
            lambda: balancer.states()["api/machine2"] == "DOWN", "nobody is found to be away"
        )
        yield Front(balancer, tls)


def test_what_a_client_says_about_proxies_is_replaced(front: Front) -> None:
    told = front.seen(
        X_Forwarded_For="1.2.3.4",
        X_Forwarded_Host="evil.example",
        X_Forwarded_Proto="http",
        Forwarded="for=1.2.3.4;proto=http",
    )

    assert told["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert told["HTTP_X_FORWARDED_PROTO"] == "https"
    assert told["HTTP_HOST"] == f"127.0.0.1:{front.balancer.port}"
    assert (told["body"], told["QUERY_STRING"]) == ("x=1", "a=b")
    assert not {"HTTP_FORWARDED", "HTTP_X_FORWARDED_HOST"} & told.keys()


@pytest.mark.parametrize(
    "said", ["", "short", "a" * 10_240, "with a space", "x" * 65, "a/b/c/d/e/f"]
)
def test_an_id_that_is_none_is_replaced(front: Front, said: str) -> None:
    told = front.seen(**({"X_Request_ID": said} if said else {}))

    assert MADE.fullmatch(told["HTTP_X_REQUEST_ID"])
    assert told["answered"] == told["HTTP_X_REQUEST_ID"]


def test_a_clients_id_is_kept(front: Front) -> None:
    told = front.seen(X_Request_ID="01a21c1a-1cbc-7201")

    assert told["HTTP_X_REQUEST_ID"] == told["answered"] == "01a21c1a-1cbc-7201"


def test_a_strangers_trace_is_left_out(front: Front) -> None:
    assert "HTTP_TRACEPARENT" not in front.seen(traceparent=f"00-{'a' * 32}-{'b' * 16}-01")


def test_the_figures_are_shown_to_nobody(front: Front) -> None:
    for path in ("/metrics", "/METRICS", "/%6detrics", "/metrics/x"):
        assert front.browser.get(path).status_code == 404


def test_plain_http_is_sent_to_https(front: Front) -> None:
    link = HTTPConnection("127.0.0.1", front.balancer.plain_port, timeout=20)
    link.request("GET", "/orders/?a=b", headers={"Host": "portal.example"})
    answer = link.getresponse()

    assert (answer.status, answer.headers["Location"]) == (
        308,
        "https://portal.example/orders/?a=b",
    )


def test_tls_1_1_is_refused_and_http_2_is_spoken(front: Front) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    here = ("127.0.0.1", front.balancer.port)
    with socket.create_connection(here, 20) as link, pytest.raises((ssl.SSLError, OSError)):
        old.wrap_socket(link)

    modern = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    modern.check_hostname, modern.verify_mode = False, ssl.CERT_NONE
    modern.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(here, 20) as link, modern.wrap_socket(link) as secured:
        assert secured.version() in {"TLSv1.2", "TLSv1.3"}
        assert secured.selected_alpn_protocol() == "h2"


def test_a_body_over_the_cap_is_refused(front: Front) -> None:
    for path, length in (
        ("/upload", 20 * 1024 * 1024 + 1),
        ("/api/v1/orders", 2 * 1024 * 1024 + 1),
    ):
        link = front.browser.build_request("POST", path, content=b"x" * length)
        answer = front.browser.send(link)
        assert answer.status_code == 413
    problem = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (problem["status"], problem["code"]) == (413, "too_large")
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem["detail"] == str(KINDS["too_large"].advice)
    assert problem["title"] == str(KINDS["too_large"].title)


def test_each_process_gets_so_many_requests_at_once(front: Front) -> None:
    most = front.balancer.told_of_servers("slim")
    assert most.keys() == {f"{of}/machine{n}" for of in ("web", "api") for n in (1, 2)}
    assert set(most.values()) == {str(MOST_AT_ONCE)}


def test_calls_of_the_api_go_to_processes_of_their_own(front: Front) -> None:
    front.balancer.order("disable server api/machine1")
    try:
        assert front.browser.post("/api/v1/orders").status_code == 503
        assert front.seen()["body"] == "x=1"
    finally:
        front.balancer.order("enable server api/machine1")


def test_a_file_of_products_may_be_larger(front: Front) -> None:
    there = "/admin/catalog/product/import/"
    for length, is_refused in ((20 * 1024 * 1024 + 1, False), (100 * 1024 * 1024 + 1, True)):
        asked = front.browser.build_request("POST", there, content=b"x" * length)
        assert (front.browser.send(asked).status_code == 413) == is_refused


def test_a_portal_that_does_not_answer_is_told_in_plain_words(front: Front) -> None:
    there = ("web/machine1", "api/machine1")
    for server in there:
        front.balancer.order(f"disable server {server}")
    try:
        page = front.browser.post("/checkout/")
        answer = front.browser.post("/api/v1/orders")
    finally:
        for server in there:
            front.balancer.order(f"enable server {server}")
    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "it is never placed twice" in page.text
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (503, 503, "no_answer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["X-Request-ID"]
    assert problem["detail"] == str(KINDS["no_answer"].advice)
    assert problem["title"] == str(KINDS["no_answer"].title)


def test_senders_of_half_a_form_reach_no_web_process(front: Front) -> None:
    here = ("127.0.0.1", front.balancer.port)
    with ExitStack() as stack:
        for _ in range(100):
            link = stack.enter_context(socket.create_connection(here, 20))
            secured = stack.enter_context(front.tls.wrap_socket(link, server_hostname="127.0.0.1"))
            secured.sendall(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{")

        assert front.seen()["body"] == "x=1"
        open_there = front.balancer.order("show stat web 4 -1").splitlines()[1].split(",")[4]
        assert int(open_there) < 100


class Mute(BaseHTTPRequestHandler):
    """Is ready, takes every other request, and ends the connection without an answer."""

    taken: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        if self.path == "/readyz":
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.do_POST()

    def do_POST(self) -> None:
        self.taken.append(f"{self.command} {self.path}")
        self.close_connection = True

    def log_message(self, *_given: object) -> None:
        """Say nothing."""


def test_a_request_without_an_answer_is_repeated_unless_it_may_have_placed_an_order(
    tmp_path: Path,
) -> None:
    tls = ssl.create_default_context(cadata=make_certificate(tmp_path / "portal.pem"))
    with ExitStack() as stack:
        servers = {}
        for name in ("WEB_1", "WEB_2", "API_1", "API_2"):
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Mute))
            stack.callback(server.shutdown)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            servers[name] = server.server_address[1]
        balancer = Balancer(tmp_path, tmp_path / "portal.pem", servers)
        stack.callback(balancer.kill)
        balancer.start()
        there = f"https://127.0.0.1:{balancer.port}"
        for method, path in (
            ("GET", "/orders/"),
            ("POST", "/checkout/"),
            ("POST", "/api/v1/orders"),
        ):
            # each on a connection of its own: on one that was used before, the client would have to
            # find out by itself that there is no answer
            answer = httpx.request(method, there + path, verify=tls, timeout=30, trust_env=False)
            assert answer.status_code == 502
    assert Mute.taken.count("GET /orders/") > 1  # the control: retries are on
    assert Mute.taken.count("POST /checkout/") == 1
    assert Mute.taken.count("POST /api/v1/orders") == 1


def test_a_reload_refuses_nobody(front: Front) -> None:
    before = front.balancer.order("show info").splitlines()
    [pid] = [line for line in before if line.startswith("Pid:")]
    front.balancer.reload()

    def is_new() -> bool:
        assert front.seen()["body"] == "x=1"
        return pid not in front.balancer.order("show info").splitlines()

    eventually(is_new, "another process serves", pause=0)
    eventually(lambda: front.balancer.states()["api/machine2"] == "DOWN", "it has looked again")


def test_a_renewed_certificate_is_taken_by_a_reload(front: Front) -> None:
    file = Path(front.balancer.environment["CERTIFICATE"])
    renewed = ssl.create_default_context(cadata=make_certificate(file))
    here = ("127.0.0.1", front.balancer.port)

    def is_new() -> bool:
        try:
            with socket.create_connection(here, 20) as link:
                renewed.wrap_socket(link, server_hostname="127.0.0.1").close()
        except ssl.SSLError:
            return False
        return True

    assert not is_new()
    front.balancer.reload()
    eventually(is_new, "the new certificate is shown")
    front.trust(renewed)
    eventually(lambda: front.balancer.states()["api/machine2"] == "DOWN", "it has looked again")


def test_the_log_has_no_query_and_no_secret_of_a_link(front: Front) -> None:
    for path in (
        "/accounts/password/reset/key/1-s3cret/",
        "/invitations/s3cret/",
        "/for-you/s3cret/",
        "/catalog/?q=wheelchair",
    ):
        front.browser.get(path)

    eventually(lambda: '"/catalog/"' in front.balancer.log.read_text(), "the lines are written")
    lines = front.balancer.log.read_text()
    told = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    paths = {line["path"] for line in told}
    hidden = {"/accounts/password/reset/key/-", "/invitations/-", "/for-you/-"}
    assert {*hidden, "/catalog/"} <= paths
    assert not any(word in lines for word in ("s3cret", "wheelchair"))


def checked(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What HAProxy says of a configuration."""
    (folder / "haproxy.cfg").write_text(for_this_user(text))
    make_certificate(folder / "portal.pem")
    there = {
        "PATH": SBIN,
        "CERTIFICATE": str(folder / "portal.pem"),
        "ADMIN_SOCKET": str(folder / "s"),
    }
    command = [str(HAPROXY), "-c", "-f", str(folder / "haproxy.cfg")]
    return subprocess.run(command, env=there, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("default_backend web", "default_backend wbe"),
        ("option http-buffer-request", "option http-bufer-request"),
        ("ssl-min-ver TLSv1.2", "ssl-min-ver TLSv1.9"),
    ],
)
def test_haproxy_takes_the_configuration_and_refuses_a_broken_copy(
    tmp_path: Path, right: str, wrong: str
) -> None:
    text = CONFIGURATION.read_text()
    assert right in text
    whole = checked(text, tmp_path)
    assert (whole.returncode, "[WARNING]" in whole.stderr) == (0, False), whole.stderr
    assert checked(text.replace(right, wrong), tmp_path).returncode != 0
