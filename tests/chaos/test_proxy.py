"""The proxy disturbs connections as told; otherwise chaos runs would look harmless."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.actors.house import LINES, Proxy
from tests.support.ports import free_port
from tests.support.waiting import eventually

SHORTLY = 0.4  # seconds of waiting when nothing is expected


class Echo(socketserver.ThreadingTCPServer):
    """A server that echoes what it receives, and records it."""

    daemon_threads = True

    def __init__(self) -> None:
        self.heard = b""
        super().__init__(("127.0.0.1", 0), Repeating)


class Repeating(socketserver.BaseRequestHandler):
    server: Echo

    def handle(self) -> None:
        while data := self.request.recv(1024):
            self.server.heard += data
            self.request.sendall(data)


class Caller:
    """A client of the line `redis`."""

    def __init__(self, port: int) -> None:
        self.link = socket.create_connection(("127.0.0.1", port), timeout=SHORTLY)

    def say(self, words: bytes) -> bytes | None:
        """Send, and return what comes back at once; None if nothing does."""
        self.link.sendall(words)
        return self.hear()

    def hear(self) -> bytes | None:
        try:
            return self.link.recv(1024)
        except TimeoutError:
            return None


@pytest.fixture
def echo() -> Iterator[Echo]:
    with Echo() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def caller(echo: Echo, proxy: Proxy, port: int) -> Caller:
    caller = Caller(port)
    assert caller.say(b"hello") == b"hello"
    return caller


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def proxy(tmp_path: Path, echo: Echo, port: int) -> Iterator[Proxy]:
    others = {name: (free_port(), echo.server_address[1]) for name in LINES}
    running = Proxy(tmp_path, others | {"redis": (port, echo.server_address[1])})
    running.start()
    yield running
    running.kill()


@pytest.mark.parametrize(("trouble", "amount"), [("freeze", 0), ("latency", 60)])
def test_what_stands_still_says_nothing(
    proxy: Proxy, caller: Caller, trouble: str, amount: float
) -> None:
    proxy.spoil("redis", trouble, amount)
    assert caller.say(b"are you there?") is None


def test_what_was_frozen_arrives_once_it_thaws(proxy: Proxy, caller: Caller) -> None:
    proxy.spoil("redis", "freeze")
    assert caller.say(b"later") is None
    proxy.spoil("redis", "none")
    assert eventually(caller.hear, "the answer") == b"later"


def test_half_open_delivers_and_loses_the_answer(proxy: Proxy, caller: Caller, echo: Echo) -> None:
    proxy.spoil("redis", "half-open")
    assert caller.say(b"pay") is None
    assert echo.heard.endswith(b"pay")
    proxy.spoil("redis", "none")
    with pytest.raises(ConnectionResetError):
        caller.hear()  # the stream must not continue as if nothing were missing


def test_cut_resets_what_is_open_and_what_comes(proxy: Proxy, caller: Caller, port: int) -> None:
    proxy.spoil("redis", "cut")
    with pytest.raises(ConnectionError):
        caller.say(b"still there?")
    with pytest.raises(ConnectionError):
        Caller(port).say(b"anybody?")
    proxy.spoil("redis", "none")
    assert Caller(port).say(b"back") == b"back"


def test_a_drip_comes_in_drops(proxy: Proxy, caller: Caller) -> None:
    proxy.spoil("redis", "drip", 0.01)
    first = caller.say(b"x" * 200)
    assert first is not None
    assert 0 < len(first) < 200
