"""Receives a partner's webhooks and checks them."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fulfillment.partner import (
    BadSignatureError,
    Event,
    MalformedEventError,
    ReportStatus,
    parse_event,
    verify_signature,
)
from operations.conformance.points import UntriedError

LARGEST = 256 * 1024  # bytes; the contract's limit
READ_SECONDS = 10.0
FINAL = frozenset({ReportStatus.DELIVERED, ReportStatus.FAILED, ReportStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class ReceivedWebhook:
    """One webhook request. `event` is None for an invalid one; `trouble` says why."""

    webhook_id: str
    raw: bytes = field(repr=False)
    signed: bool
    event: Event | None = field(repr=False)
    trouble: str
    answered: int


class Inbox:
    """The received webhooks. The first one is answered 500, to see whether it is sent again."""

    def __init__(self) -> None:
        self._deliveries: list[ReceivedWebhook] = []
        self._news = threading.Condition()

    def take(self, raw: bytes, headers: dict[str, str]) -> int:
        """Store a webhook, and return the status to answer with."""
        event, trouble = _read(raw)
        signed = _is_signed(raw, headers)
        with self._news:
            answered = 204 if self._deliveries else 500
            if not signed and self._deliveries:
                answered = 401
            webhook_id = headers.get("webhook-id", "")
            self._deliveries.append(
                ReceivedWebhook(webhook_id, raw, signed, event, trouble, answered)
            )
            self._news.notify_all()
        return answered

    def all(self) -> list[ReceivedWebhook]:
        with self._news:
            return list(self._deliveries)

    def wait(self, references: frozenset[str], seconds: float) -> None:
        """Wait until the first webhook was repeated and each reference has ended, or time is up."""
        with self._news:
            self._news.wait_for(lambda: self._is_complete(references), seconds)

    def _is_complete(self, references: frozenset[str]) -> bool:
        ended = {
            each.event.report.reference
            for each in self._deliveries
            if each.event and each.event.report.status in FINAL
        }
        return references <= ended and bool(repeated(self._deliveries))


def repeated(deliveries: list[ReceivedWebhook]) -> list[ReceivedWebhook]:
    """The webhooks that came again after the first one was answered 500."""
    first = deliveries[:1]
    return [each for each in deliveries[1:] if each.webhook_id == first[0].webhook_id]


def disorder(deliveries: list[ReceivedWebhook]) -> str:
    """Describe a contradiction between `updated_at` and the statuses; "" if there is none.

    The order of arrival does not matter: the contract allows any.
    """
    events = {each.webhook_id: each.event for each in deliveries if each.event}
    by_time = sorted(events.values(), key=lambda event: event.report.updated_at)
    stories: dict[str, list[ReportStatus]] = {}
    for event in by_time:
        stories.setdefault(event.report.reference, []).append(event.report.status)
    for reference, statuses in stories.items():
        for earlier, later in itertools.pairwise(statuses):
            if earlier in FINAL:
                return f"{reference}: “{later}” after “{earlier}”, which is final"
    return ""


@contextmanager
def listening(host: str, port: int) -> Iterator[Inbox]:
    """Run an HTTP server that fills an inbox during the block.

    Raises UntriedError when the address cannot be opened.
    """
    inbox = Inbox()

    class Handler(BaseHTTPRequestHandler):
        timeout = READ_SECONDS

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            size = int(length) if length.isascii() and length.isdigit() else LARGEST + 1
            status = 413
            if size <= LARGEST:
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = inbox.take(self.rfile.read(size), headers)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Log nothing: the report says what was received."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise UntriedError(f"Cannot listen at {host}:{port}: {error}.") from None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _is_signed(raw: bytes, headers: dict[str, str]) -> bool:
    try:
        verify_signature(raw, headers)
    except BadSignatureError:
        return False
    return True


def _read(raw: bytes) -> tuple[Event | None, str]:
    try:
        return parse_event(raw), ""
    except MalformedEventError as error:
        return None, str(error)
