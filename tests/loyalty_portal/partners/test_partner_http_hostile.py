"""Partners and proxies at their worst: the call ends in time and never claims a false success."""

import gzip
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from loyalty_portal.partners import client
from loyalty_portal.partners.client import Answer, Outcome, PartnerClient
from tests.loyalty_portal.partners.raw_partner import (
    RawPartner,
    Script,
    config,
    drip,
    flood,
    problem,
    reply,
    reset,
    script_id,
    silence,
)

UNKNOWN = Outcome.UNKNOWN
MIB = 1024 * 1024


def debit(url: str, **changes: object) -> Answer:
    client = PartnerClient(config(url, **changes))
    return client.post("/debit", body=b"{}", idempotency_key="debit:1")


def answer_to(*scripts: Script, **changes: object) -> Answer:
    with RawPartner(*scripts) as partner:
        return debit(partner.url, **changes)


@pytest.mark.parametrize(
    "script",
    [
        drip(reply(201, b'{"a":"' + b"x" * 1000 + b'"}')),
        drip(b"HTTP/1.1 201 Created\r\nX-Long: " + b"x" * 1000),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        flood(b"", b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n"),
    ],
    ids=["body", "headers", "continue", "processing"],
)
def test_no_trickle_outlasts_the_deadline(script: Script) -> None:
    answer = answer_to(script, timeout=0.3, deadline=0.4)
    assert (answer.outcome, answer.code, answer.may_have_landed) == (UNKNOWN, "deadline", True)


def test_a_silent_partner_is_a_timeout() -> None:
    answer = answer_to(silence, timeout=0.1)
    assert (answer.outcome, answer.code, answer.may_have_landed) == (UNKNOWN, "timeout", True)


def test_patience_shortens_the_deadline() -> None:
    with RawPartner(silence) as partner:
        client = PartnerClient(partner.config(timeout=60.0, deadline=60.0))
        answer = client.get("/balance/{account_id}", account_id="1", patience=0.1)
    assert (answer.outcome, answer.code) == (UNKNOWN, "deadline")


@pytest.mark.parametrize(
    "script",
    [
        reset,
        b"",
        b"HTTP/1.1 201 Created\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 9999 What\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 201 Created\r\nX: " + b"x" * 300_000,
        b"\x16\x03\x01\x02\x00" + bytes(100),
    ],
    ids=script_id,
)
def test_a_broken_answer_may_have_landed(script: Script) -> None:
    answer = answer_to(script, deadline=2.0)
    assert (answer.outcome, answer.code, answer.may_have_landed) == (UNKNOWN, "connection", True)
    assert not answer.mismatch


def test_a_huge_answer_is_not_read_to_its_end() -> None:
    endless = flood(b"HTTP/1.1 201 Created\r\n\r\n", b"x" * 65536)
    answer = answer_to(endless)
    assert (answer.outcome, answer.code, answer.mismatch) == (UNKNOWN, "too_large", True)


def test_a_statement_may_be_larger_than_an_answer_to_a_post() -> None:
    large = reply(200, b'{"a":"' + b"x" * MIB + b'"}')
    with RawPartner(large) as partner:
        assert debit(partner.url).code == "too_large"
        client = PartnerClient(partner.config())
        assert client.get("/transactions/{a}", a="1").outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "identity, gzip"])
def test_a_packed_answer_is_not_unpacked(encoding: str) -> None:
    bomb = gzip.compress(bytes(50 * MIB))
    answer = answer_to(reply(201, bomb, headers=(f"Content-Encoding: {encoding}",)))
    assert (answer.outcome, answer.code, answer.mismatch) == (UNKNOWN, "encoded", True)


def test_a_body_longer_than_it_says_is_not_json() -> None:
    cut = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\n" + b'{"points": 1}'
    assert answer_to(cut).code == "malformed"


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_calls() -> None:
    left_over = reply(200) + problem(422, "insufficient_points")
    with RawPartner(left_over, reply(201, b'{"mine": true}'), keep_alive=True) as partner:
        client = PartnerClient(partner.config())
        client.get("/balance/{account_id}", account_id="1")
        assert debit(partner.url).body == {"mine": True}


def test_a_header_may_hold_any_byte() -> None:
    odd = reply(201, headers=("X-Odd: \xff\xfe", "Set-Cookie: a=\xff; expires=never; max-age=x"))
    assert answer_to(odd).outcome is Outcome.SUCCEEDED


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.parametrize(
    "url",
    [
        f"http://127.0.0.1:{closed_port()}",
        "http://no-such-partner.invalid",
        "http://" + "a" * 70 + ".invalid",
        "ftp://127.0.0.1",
        "",
    ],
    ids=["closed", "unknown", "impossible", "ftp", "empty"],
)
def test_a_partner_that_cannot_be_reached_was_not_reached(url: str) -> None:
    answer = debit(url, deadline=3.0)
    assert (answer.outcome, answer.code, answer.may_have_landed) == (UNKNOWN, "connection", False)


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path) -> None:
    with RawPartner(reply(201), tls=serving(certificate)) as partner:
        answer = debit(over_tls(partner), deadline=2.0)
        assert partner.requests == []
    assert (answer.outcome, answer.code, answer.may_have_landed) == (UNKNOWN, "connection", False)
    assert "certificate" in answer.detail


def test_a_certificate_of_another_host_is_refused(certificate: Path, trusted: None) -> None:
    with RawPartner(reply(201), tls=serving(certificate)) as partner:
        answer = debit(partner.url.replace("http://", "https://"), deadline=2.0)
        assert partner.requests == []
    assert (answer.outcome, answer.may_have_landed) == (UNKNOWN, False)


def test_a_call_over_tls_arrives_and_obeys_its_deadline_too(
    certificate: Path, trusted: None
) -> None:
    slow = drip(b"HTTP/1.1 201 Created\r\nX-Long: " + b"x" * 1000)
    with RawPartner(reply(201), slow, tls=serving(certificate)) as partner:
        assert debit(over_tls(partner)).outcome is Outcome.SUCCEEDED
        assert debit(over_tls(partner), deadline=0.5).code == "deadline"


def test_a_handshake_that_never_ends_sent_nothing(certificate: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # a server that never accepts
        answer = debit(f"https://localhost:{server.getsockname()[1]}", deadline=0.3)
    assert (answer.outcome, answer.code, answer.may_have_landed) == (UNKNOWN, "deadline", False)


def over_tls(partner: RawPartner) -> str:
    return partner.url.replace("http://127.0.0.1", "https://localhost")


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    client._forget()
    yield
    client._forget()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return self_signed(tmp_path)


def self_signed(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "partner.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
