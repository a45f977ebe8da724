"""The proxy of docker-compose.yml, run as a process with its real configuration."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from loyalty_portal.api.problems import KINDS
from tests.loyalty_portal.http.echo_app import LARGE
from tests.support.daemons import Daemon
from tests.support.ports import answers, free_port
from tests.support.reverse_proxy import NGINX
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
CONFIGURATION = ROOT / "deploy/nginx/nginx.conf"
needs_nginx = pytest.mark.skipif(not NGINX, reason="nginx is missing (Debian: apt install nginx)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nginx")


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    """The proxy's port. Behind it runs the web worker with an application that echoes."""
    behind = free_port()
    server = [sys.executable, "-m", "gunicorn", "tests.loyalty_portal.http.echo_app"]
    server += ["--bind", f"127.0.0.1:{behind}", "--log-level", "warning"]
    with ExitStack() as stack:
        web = Daemon("web", server, {**os.environ, "WEB_CONCURRENCY": "1"}, folder)
        stack.callback(web.stop)
        web.start()
        eventually(lambda: answers(behind), "web")
        yield stack.enter_context(proxy(folder, behind))


@contextmanager
def proxy(folder: Path, behind: int) -> Iterator[int]:
    port = free_port()
    text = CONFIGURATION.read_text()
    for theirs, ours in (
        ("listen 8080", f"listen 127.0.0.1:{port}"),
        ("server web:8000", f"server 127.0.0.1:{behind}"),
        ("server api:8000", f"server 127.0.0.1:{behind}"),
        ("/tmp/", f"{folder}/"),
        ("/dev/stdout", f"{folder}/access.log"),
    ):
        assert theirs in text
        text = text.replace(theirs, ours)
    written = folder / "nginx.conf"
    written.write_text(text)
    # as root, nginx would switch its workers to a user that cannot write to the tests' folder
    user = " user root;" if os.geteuid() == 0 else ""
    command = [str(NGINX), "-e", "stderr", "-g", f"daemon off;{user}", "-c", str(written)]
    process = Daemon("nginx", command, dict(os.environ), folder)
    try:
        process.start()
        eventually(lambda: answers(port), "nginx")
        yield port
    finally:
        process.stop()


def seen(port: int, **headers: str) -> dict[str, str]:
    link = HTTPConnection("127.0.0.1", port, timeout=20)
    link.request("POST", "/form?a=b", body=b"x=1", headers={"Host": "portal.example", **headers})
    answer: dict[str, str] = json.loads(link.getresponse().read())
    return answer


@needs_nginx
def test_the_portal_learns_who_asked_and_for_which_host(port: int) -> None:
    told = seen(port, **{"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"})

    assert told["HTTP_X_FORWARDED_FOR"] == "1.2.3.4, 127.0.0.1"
    assert told["HTTP_X_FORWARDED_PROTO"] == "https"
    assert told["HTTP_HOST"] == "portal.example"
    assert (told["body"], told["QUERY_STRING"]) == ("x=1", "a=b")


@needs_nginx
def test_a_strangers_trace_is_left_out(port: int) -> None:
    assert "HTTP_TRACEPARENT" not in seen(port, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")


@needs_nginx
def test_senders_of_half_a_form_hold_nobody_up(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(200):
            link = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            link.sendall(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{")

        assert seen(port)["body"] == "x=1"


@needs_nginx
def test_a_large_answer_comes_whole(port: int) -> None:
    link = HTTPConnection("127.0.0.1", port, timeout=20)
    link.request("GET", "/large")

    assert len(link.getresponse().read()) == LARGE


@needs_nginx
def test_a_body_over_the_cap_is_refused(port: int) -> None:
    link = HTTPConnection("127.0.0.1", port, timeout=20)
    link.putrequest("POST", "/upload")
    link.putheader("Content-Length", str(20 * 1024 * 1024 + 1))
    link.endheaders()

    assert link.getresponse().status == 413


@needs_nginx
def test_a_file_of_products_may_be_larger(port: int) -> None:
    there = "/admin/catalog/product/import/"
    link = HTTPConnection("127.0.0.1", port, timeout=20)
    link.request("POST", there, body=b"x" * (20 * 1024 * 1024 + 1))
    assert link.getresponse().status != 413

    link = HTTPConnection("127.0.0.1", port, timeout=20)
    link.putrequest("POST", there)
    link.putheader("Content-Length", str(100 * 1024 * 1024 + 1))
    link.endheaders()
    assert link.getresponse().status == 413


@needs_nginx
def test_a_call_of_the_api_over_its_cap_gets_a_problem(port: int) -> None:
    link = HTTPConnection("127.0.0.1", port, timeout=20)
    link.putrequest("POST", "/api/v1/orders")
    link.putheader("Content-Length", str(2 * 1024 * 1024 + 1))
    link.endheaders()
    answer = link.getresponse()
    problem = json.loads(answer.read())

    assert (answer.status, problem["status"], problem["code"]) == (413, 413, "too_large")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["detail"] == str(KINDS["too_large"].advice)
    assert problem["title"] == str(KINDS["too_large"].title)


@needs_nginx
def test_a_portal_that_does_not_answer_is_told_in_plain_words(tmp_path: Path) -> None:
    with proxy(tmp_path, behind=free_port()) as nobody:
        link = HTTPConnection("127.0.0.1", nobody, timeout=20)
        link.request("POST", "/checkout/")
        page = link.getresponse()
        assert (page.status, page.headers["Retry-After"]) == (502, "5")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "it is never placed twice" in page.read().decode()
        link.request("POST", "/api/v1/orders")
        answer = link.getresponse()
        problem = json.loads(answer.read())
    assert (answer.status, problem["status"], problem["code"]) == (502, 502, "no_answer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert problem["detail"] == str(KINDS["no_answer"].advice)
    assert problem["title"] == str(KINDS["no_answer"].title)


@needs_nginx
def test_the_log_has_no_query_and_no_secret_of_a_link(port: int, folder: Path) -> None:
    link = HTTPConnection("127.0.0.1", port, timeout=20)
    links = ("/accounts/password/reset/key/1-s3cret/", "/invitations/s3cret/", "/for-you/s3cret/")
    for path in (*links, "/catalog/?q=wheelchair"):
        link.request("GET", path)
        link.getresponse().read()

    log = folder / "access.log"
    eventually(lambda: "/catalog/" in log.read_text(), "both lines are written")
    assert "/accounts/password/reset/key/-" in log.read_text()
    assert "/invitations/-" in log.read_text()
    assert "/for-you/-" in log.read_text()
    assert not any(word in log.read_text() for word in ("s3cret", "wheelchair"))
