"""Callbacks with a chunked body, over a real socket to the web server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse, RemoteDisconnected
from urllib.parse import urlsplit

import pytest

from redemption.models import Callback
from redemption.saga.webhooks import LARGEST
from tests.redemption.saga.test_webhooks import ADDRESS, body, signed
from tests.support.stack import Stack

HEADERS = {"Content-Type": "application/json"}


def in_pieces(raw: bytes, size: int = 100) -> Iterator[bytes]:
    return (raw[start : start + size] for start in range(0, len(raw), size))


def send_chunks(
    stack: Stack, pieces: Iterable[bytes], headers: Mapping[str, str]
) -> tuple[int, bytes]:
    link = HTTPConnection(urlsplit(stack.url).netloc, timeout=30)
    try:
        link.request("POST", ADDRESS, pieces, {**HEADERS, **headers}, encode_chunked=True)
        answer = link.getresponse()
        return answer.status, answer.read()
    finally:
        link.close()


def test_a_callback_in_chunks_is_stored(stack: Stack) -> None:
    raw = body("chunked", "processing")
    assert send_chunks(stack, in_pieces(raw), signed(raw))[0] == 204
    assert Callback.objects.filter(reference="chunked").count() == 1


def test_a_forged_callback_in_chunks_is_refused(stack: Stack) -> None:
    raw = body("forged", "processing")
    assert send_chunks(stack, in_pieces(raw), signed(raw + b" "))[0] == 401
    assert not Callback.objects.filter(reference="forged").exists()


def test_chunks_beyond_the_cap_are_refused_as_too_large(stack: Stack) -> None:
    raw = b" " * (LARGEST + 1)
    status, said = send_chunks(stack, in_pieces(raw, 64 * 1024), signed(raw))
    assert (status, json.loads(said)["code"]) == (413, "too_large")


@pytest.mark.parametrize("broken", [b"zz\r\nno length\r\n", b"ffff\r\nthe rest never comes"])
def test_chunks_that_break_off_are_no_error_of_ours(stack: Stack, broken: bytes) -> None:
    there = urlsplit(stack.url)
    lines = [f"POST {ADDRESS} HTTP/1.1", f"Host: {there.netloc}", "Transfer-Encoding: chunked"]
    stack.news()
    with socket.create_connection((there.hostname, there.port), timeout=30) as link:
        link.sendall("\r\n".join([*lines, "", ""]).encode() + broken)
        link.shutdown(socket.SHUT_WR)
        answer = HTTPResponse(link)
        # A sender that stops within a chunk gets no answer, and the server does not wait for it.
        with suppress(RemoteDisconnected):
            answer.begin()
            assert answer.status == 400
    assert "Traceback" not in stack.news()
