"""The door to strangers' hosts: what it refuses opens no socket, and no answer holds it up."""

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loyalty_portal import outbound_http
from loyalty_portal.outbound_http import Answered, Failure, is_public, post
from tests.loyalty_portal.partners.raw_partner import (
    RawPartner,
    Script,
    drip,
    flood,
    reply,
    reset,
    silence,
)
from tests.loyalty_portal.partners.test_partner_http_hostile import self_signed, serving

CASES = [
    line
    for line in (Path(__file__).parent / "fixtures/ssrf-hosts.txt").read_text().splitlines()
    if not line.startswith("#")
]
PUBLIC, PRIVATE = "93.184.215.14", "10.0.0.1"
NAMES = {"rebind.example": [[PUBLIC], [PRIVATE]], "mixed.example": [[PUBLIC, PRIVATE]]}

Told = list[tuple[str, int]]
_listening: list[Told] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """Note the address of each connection that Python opens, and open none of them."""
    if event == "socket.connect" and _listening and arguments[0].family != socket.AF_UNIX:
        _listening[0].append(arguments[1][:2])
        raise ConnectionRefusedError("noted, and not opened")


sys.addaudithook(_hook)


@pytest.fixture
def opened() -> Iterator[Told]:
    """The addresses to which a socket was opened; none of them is reached."""
    told: Told = []
    _listening.append(told)
    yield told
    _listening.clear()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up, by a resolver that answers some of them anew each time."""
    asked: list[str] = []
    answers = {name: iter(each) for name, each in NAMES.items()}
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if name not in answers:
            return real(host, port, *more, **named)
        asked.append(name)
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in next(answers[name])
        ]

    # replaced: the internet's name servers
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def call(url: str) -> Answered | Failure:
    return post(url, b"{}", {"Content-Type": "application/json"})


@pytest.mark.parametrize("url", [each for each in CASES if "rebind" not in each])
def test_no_socket_is_opened_to_what_is_not_public(
    url: str, opened: Told, looked_up: list[str]
) -> None:
    answer = call(url)
    assert isinstance(answer, Failure)
    assert answer.why in {"address", "port", "url", "name"}
    assert opened == []


def test_a_name_that_answers_otherwise_the_second_time_is_looked_up_once_and_checked_each_time(
    opened: Told, looked_up: list[str]
) -> None:
    assert call("https://rebind.example/") == Failure("connection")  # the hook opens nothing
    assert looked_up == ["rebind.example"]
    assert opened == [(PUBLIC, 443)]
    assert call("https://rebind.example/") == Failure("address")
    assert opened == [(PUBLIC, 443)]


def test_without_the_check_the_second_answer_is_connected_to(
    opened: Told, looked_up: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # replaced: the guard, to see that it is what refuses
    monkeypatch.setattr(outbound_http, "is_public", lambda _address: True)
    call("https://rebind.example/")
    call("https://rebind.example/")
    assert opened == [(PUBLIC, 443), (PRIVATE, 443)]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://mixed.example/", "scheme"),
        ("https://mixed.example:8443/", "port"),
        ("ftp://mixed.example/", "scheme"),
        ("https://user:word@mixed.example/", "url"),
        ("https://", "url"),
        ("https://[::1", "url"),
        ("no address", "scheme"),
    ],
)
def test_only_https_on_its_own_port_without_a_user_is_called(
    url: str, why: str, opened: Told, looked_up: list[str]
) -> None:
    assert call(url) == Failure(why)
    assert opened == []


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "100.64.0.1", "192.0.0.8", "198.18.0.1", "240.0.0.1", "255.255.255.255"),
        *("64:ff9b::808:808", "2002:808:808::", "::8.8.8.8", "::ffff:8.8.8.8", "fe80::1%eth0"),
        *("192.88.99.1", "239.1.2.3", "ff0e::1", "2001:0:1::", "fec0::1", "fd00::1", "no address"),
    ],
)
def test_an_address_that_leads_elsewhere_is_not_public(address: str) -> None:
    assert not is_public(address)


def test_addresses_of_the_internet_are_public() -> None:
    assert all(map(is_public, ("8.8.8.8", PUBLIC, "2606:4700:4700::1111")))


@pytest.fixture
def inner(settings: Any) -> Any:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    return settings


def test_an_allowed_network_may_be_called_by_any_scheme_and_port(inner: Any) -> None:
    with RawPartner(reply(204, b"", headers=("Set-Cookie: a=b",))) as receiver:
        assert call(f"{receiver.url}/here?x=1") == Answered(204, None)
        assert call(f"{receiver.url}/here?x=1") == Answered(204, None)
    assert [request.line for request in receiver.requests] == [b"POST /here?x=1 HTTP/1.1"] * 2
    assert receiver.requests[1].headers["cookie"] is None
    assert receiver.requests[0].body == b"{}"


def test_a_redirect_is_an_answer_that_is_not_followed(inner: Any) -> None:
    with RawPartner(reply(302, headers=("Location: /inside",))) as receiver:
        assert call(receiver.url) == Answered(302, None)
    assert len(receiver.requests) == 1


def test_the_wait_that_a_receiver_asks_for_is_told(inner: Any) -> None:
    with RawPartner(reply(429, headers=("Retry-After: 90000",))) as receiver:
        assert call(receiver.url) == Answered(429, 3600.0)


class Body:
    """Sends a body in such pieces, with so many seconds between them. `sent`: how many went out."""

    def __init__(self, piece: bytes, pieces: int, pause: float = 0.0) -> None:
        self.piece, self.pieces, self.pause, self.sent = piece, pieces, pause, 0

    def __call__(self, connection: socket.socket, closing: threading.Event) -> None:
        length = len(self.piece) * self.pieces
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode())
        while self.sent < self.pieces and not closing.wait(self.pause):
            connection.sendall(self.piece)
            self.sent += 1


def test_two_kib_of_a_body_are_read_and_no_more(inner: Any) -> None:
    inner.WEBHOOK_TIMEOUT = 20
    body = Body(b"x" * 65536, pieces=4096)  # 256 MiB, more than all buffers on the way
    with RawPartner(body) as receiver:
        assert call(receiver.url) == Answered(200, None)
    assert body.sent < body.pieces / 4


def test_a_body_that_comes_byte_by_byte_ends_with_the_time_of_the_call(inner: Any) -> None:
    inner.WEBHOOK_TIMEOUT = 0.5
    body = Body(b"x", pieces=1000, pause=0.02)
    with RawPartner(body) as receiver:
        assert call(receiver.url) == Answered(200, None)
    assert body.sent < body.pieces / 2


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        (silence, Failure("timeout")),
        (drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000), Failure("timeout")),
        (flood(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), Failure("timeout")),
        (flood(b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 65536), Failure("malformed")),
        (
            flood(b"HTTP/1.1 200 OK\r\nContent-Length: 4294967296\r\n\r\n", b"x" * 65536),
            Answered(200, None),
        ),
        (reply(200, b"\x1f\x8b", headers=("Content-Encoding: gzip",)), Answered(200, None)),
        (reset, Failure("connection")),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Failure("malformed")),
    ],
    ids=["silence", "headers", "processing", "flood", "4 GB", "packed", "reset", "ssh"],
)
def test_no_answer_holds_the_caller_up(
    script: Script, answer: Answered | Failure, inner: Any
) -> None:
    inner.WEBHOOK_TIMEOUT = 0.5
    with RawPartner(script) as receiver:
        assert call(receiver.url) == answer


@pytest.fixture
def trusting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    outbound_http._tls.cache_clear()
    yield certificate
    outbound_http._tls.cache_clear()


def test_tls_is_checked_for_the_name_and_not_for_the_address(inner: Any, trusting: Path) -> None:
    with RawPartner(reply(200), tls=serving(trusting)) as receiver:
        by_name = receiver.url.replace("http://127.0.0.1", "https://localhost")
        assert call(by_name) == Answered(200, None)
        assert call(receiver.url.replace("http:", "https:")) == Failure("tls")
        assert len(receiver.requests) == 1


def test_a_stranger_is_not_called_inside_a_transaction(db: None) -> None:
    with pytest.raises(RuntimeError):
        call("https://mixed.example/")
