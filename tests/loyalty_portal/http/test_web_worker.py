"""The web worker over real sockets: threads get whole requests and return whole responses."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from loyalty_portal.http import web_worker
from loyalty_portal.http.web_worker import MAX_BODY_BYTES, MORE_BYTES
from loyalty_portal.wsgi import application
from tests.loyalty_portal.http import echo_app
from tests.support.ports import answers, free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
THREADS = 4  # as in gunicorn.conf.py
HELD = 60  # sockets, many more than threads


@contextmanager
def server(
    *options: str, app: str = "tests.loyalty_portal.http.echo_app"
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", app]
    command += ["--bind", f"127.0.0.1:{port}", "--log-level", "warning", *options]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"WEB_CONCURRENCY": "1"})
    try:
        eventually(lambda: answers(port), "the server answers")
        yield port, process
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with server() as (port, _process):
        yield port


def connection(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=20)


def asked(port: int, method: str, path: str, body: object = None, **headers: str) -> dict[str, str]:
    """Send a request. Returns what the application saw of it."""
    link = connection(port)
    link.request(method, path, body=body, headers=headers)  # type: ignore[arg-type]
    answer = link.getresponse()
    assert answer.status == 200
    seen: dict[str, str] = json.loads(answer.read())
    return seen


def half_sent(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port), 20)
    link.sendall(b"POST /form HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n{")
    return link


def answered(port: int, seconds: float) -> bool:
    link = HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        link.request("GET", "/page")
        return link.getresponse().status == 200
    except TimeoutError:
        return False
    finally:
        link.close()


def test_senders_of_half_a_form_hold_nobody_up_and_may_finish(port: int) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(half_sent(port)) for _ in range(HELD)]

        assert answered(port, 20)

        held[0].sendall(b"abc")
        assert b'"body": "{abc"' in held[0].recv(65536)


def test_without_the_worker_senders_of_half_a_form_stop_the_server() -> None:
    """The control: gunicorn's own threaded worker gives each of them a thread."""
    with server("--worker-class", "gthread") as (port, _process), ExitStack() as stack:
        for _ in range(THREADS):
            stack.enter_context(half_sent(port))

        assert not answered(port, 2)


def test_readers_who_do_not_read_hold_nobody_up(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(THREADS * 3):
            link = stack.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            link.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")

        assert answered(port, 20)


def test_a_large_answer_comes_whole(port: int) -> None:
    link = connection(port)
    link.request("GET", "/large")
    answer = link.getresponse()
    body = answer.read()

    assert int(answer.headers["Content-Length"]) == len(body) == 8 * 1024 * 1024


def test_body_sent_in_chunks_gets_its_length(port: int) -> None:
    seen = asked(port, "POST", "/hook", iter([b"first,", b"second"]))

    assert seen["body"] == "first,second"
    assert seen["CONTENT_LENGTH"] == "12"
    assert "HTTP_TRANSFER_ENCODING" not in seen


def test_body_larger_than_memory_is_wanted_for_comes_whole(port: int) -> None:
    sent = b"0123456789" * 30_000

    assert asked(port, "POST", "/upload", sent)["body"].encode() == sent


@pytest.mark.parametrize("is_chunked", [False, True])
def test_body_that_is_too_large_is_refused(port: int, is_chunked: bool) -> None:
    link = connection(port)
    link.putrequest("POST", "/upload")
    if is_chunked:
        link.putheader("Transfer-Encoding", "chunked")
        link.endheaders()
        piece = b"x" * 1024 * 1024
        try:
            for _ in range(MAX_BODY_BYTES // len(piece) + 1):
                link.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        except OSError:
            pass  # the server closes while the body is still being sent
    else:
        link.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
        link.endheaders()

    assert link.getresponse().status == 413


def test_an_address_of_large_uploads_takes_them_and_says_its_own_limit(port: int) -> None:
    [(there, most)] = MORE_BYTES.items()
    link = connection(port)
    link.putrequest("POST", there)
    link.putheader("Content-Length", str(most + 1))
    link.endheaders()
    answer = link.getresponse()
    assert answer.status == 413
    assert b"at most 100 MB" in answer.read()

    sent = b"0123456789" * (MAX_BODY_BYTES // 10 + 1)
    assert len(asked(port, "POST", there, sent)["body"]) == len(sent)


def test_body_that_comes_too_slowly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: so that nobody waits for the true limit
    monkeypatch.setattr(web_worker, "BODY_SECONDS", 0.05)
    said: list[web_worker.Message] = []

    async def silence() -> web_worker.Message:
        return await asyncio.Future()

    async def hear(message: web_worker.Message) -> None:
        said.append(message)

    served = web_worker.BufferedApplication(echo_app.application, threads=1)
    asyncio.run(
        served({"type": "http", "method": "POST", "path": "/form", "headers": []}, silence, hear)
    )

    assert said[0]["status"] == 408


@pytest.mark.parametrize(("status", "code"), [(408, "too_slow"), (413, "too_large")])
def test_a_call_of_the_api_that_is_refused_gets_a_problem(
    status: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: so that nobody waits for the true limit
    monkeypatch.setattr(web_worker, "BODY_SECONDS", 0.05)
    said: list[web_worker.Message] = []

    async def silence() -> web_worker.Message:
        return await asyncio.Future()

    async def hear(message: web_worker.Message) -> None:
        said.append(message)

    size = MAX_BODY_BYTES + (status == 413)
    headers = [(b"content-length", str(size).encode()), (b"host", b"localhost")]
    where = {"path": "/api/v1/orders", "raw_path": b"/api/v1/orders", "query_string": b""}
    scope = {"type": "http", "method": "POST", "http_version": "1.1", "scheme": "http", **where}
    served = web_worker.BufferedApplication(application, threads=1)
    asyncio.run(served({**scope, "headers": headers}, silence, hear))

    told = dict(said[0]["headers"])
    problem = json.loads(b"".join(each["body"] for each in said[1:]))
    assert said[0]["status"] == problem["status"] == status
    assert problem["code"] == code
    assert told[b"content-type"] == b"application/problem+json"
    assert told[b"connection"] == b"close"


HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"
UNREADABLE = {
    "line": (b"GET %s?a=" + b"b" * 5_000 + HEAD + b"\r\n", 414, "address_too_long"),
    "endless line": (b"GET %s?a=" + b"b" * 20_000, 414, "address_too_long"),
    "header": (b"GET %s" + HEAD + b"X-A: " + b"b" * 9_000 + b"\r\n\r\n", 431, "headers_too_large"),
    "headers": (b"GET %s" + HEAD + b"X-A: b\r\n" * 101 + b"\r\n", 431, "headers_too_large"),
    "no header": (b"GET %s" + HEAD + b"nonsense\r\n\r\n", 400, "malformed"),
    "raw bytes": (b"GET %s/\xff" + HEAD + b"\r\n", 400, "malformed"),
}


def unreadable(port: int, request: bytes, path: bytes) -> tuple[int, str, bytes]:
    """The status, type and body of the answer to what cannot be read, and then the end. A call
    before it on the same connection is answered.
    """
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(b"GET /healthz" + HEAD + b"\r\n")
        first = HTTPResponse(link)
        first.begin()
        assert first.status == 200
        first.read()
        link.sendall(request.replace(b"%s", path))
        answer = HTTPResponse(link)
        answer.begin()
        body = answer.read()
        assert answer.headers["Connection"].lower() == "close"
        assert link.recv(1) == b""
    return answer.status, answer.headers["Content-Type"], body


def test_a_call_of_the_api_that_cannot_be_read_gets_a_problem_and_others_a_sentence() -> None:
    with server(app="loyalty_portal.wsgi") as (port, _process):
        for request, status, code in UNREADABLE.values():
            answered, kind, body = unreadable(port, request, b"/api/v1/orders")
            assert (answered, kind) == (status, "application/problem+json"), body
            problem = json.loads(body)
            assert (problem["status"], problem["code"]) == (status, code)
            answered, kind, _body = unreadable(port, request, b"/catalog/")
            assert (answered, kind) == (status, "text/plain")


def test_path_and_query_keep_every_byte(port: int) -> None:
    seen = asked(port, "GET", "/caf%C3%A9/%FF?q=%F0%9F%8E%88&x=a%20b")

    assert seen["PATH_INFO"].encode("latin-1") == "/café/".encode() + b"\xff"
    assert seen["QUERY_STRING"] == "q=%F0%9F%8E%88&x=a%20b"


def test_query_with_raw_bytes_is_no_error(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(b"GET /p?q=\xc3\xa9 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        assert link.recv(65536).startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))


def test_header_with_an_underscore_cannot_pass_for_a_proxys(port: int) -> None:
    seen = asked(port, "GET", "/", **{"X_Forwarded_For": "1.2.3.4", "X-Twice": "a"})

    assert "HTTP_X_FORWARDED_FOR" not in seen
    assert seen["HTTP_X_TWICE"] == "a"
    assert seen["REMOTE_ADDR"] == "127.0.0.1"


def test_several_requests_share_a_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        one = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"
        link.sendall(one % 1 + one % 2 + one % 3)  # pipelined requests too
        said = b""
        while said.count(b'"body": "ab"') < 3:
            piece = link.recv(65536)
            assert piece, said
            said += piece

    assert said.index(b'"/1"') < said.index(b'"/2"') < said.index(b'"/3"')


def test_head_and_no_content_have_no_body(port: int) -> None:
    link = connection(port)
    for method, path, status in (("HEAD", "/page", 200), ("GET", "/nothing", 204)):
        link.request(method, path)
        answer = link.getresponse()

        assert (answer.status, answer.read()) == (status, b"")


def test_who_waits_to_be_told_to_go_on_is_told(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 20) as link:
        link.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert link.recv(1024).startswith(b"HTTP/1.1 100")
        link.sendall(b"ok")

        assert b"200 OK" in link.recv(65536)


def test_request_at_work_is_answered_though_the_server_is_asked_to_stop(tmp_path: Path) -> None:
    began, go_on = tmp_path / "began", tmp_path / "go_on"
    with server() as (port, process):
        link = connection(port)
        link.request("GET", "/slow", headers={"X-Began": str(began), "X-Go-On": str(go_on)})
        eventually(began.exists, "the page is at work")
        process.send_signal(signal.SIGTERM)
        eventually(lambda: not answers(port), "nobody new is let in")
        go_on.touch()

        assert link.getresponse().status == 200
        assert process.wait(30) == 0
