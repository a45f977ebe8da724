"""A mail server that stores what it receives, and can confirm it late."""

from __future__ import annotations

import socketserver
import threading
from contextlib import AbstractContextManager, suppress
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType


class Mailbox(AbstractContextManager["Mailbox"]):
    """The mail server. `letters` holds every message, including unconfirmed ones."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.confirming = threading.Event()
        self.confirming.set()
        self._server = _Server(("127.0.0.1", 0), _Conversation)
        self._server.mailbox = self
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The value for EMAIL_URL."""
        return f"smtp://127.0.0.1:{self._server.server_address[1]}"

    def about(self, order_number: str) -> list[EmailMessage]:
        """The letters whose text names the order, in order of arrival."""
        return [letter for letter in list(self.letters) if order_number in _text(letter)]

    def __enter__(self) -> Mailbox:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.confirming.set()
        self._server.shutdown()
        self._server.server_close()


def _text(letter: EmailMessage) -> str:
    body = letter.get_body(("plain",))
    return f"{letter['subject']}\n{body.get_content() if body else ''}"


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    mailbox: Mailbox


class _Conversation(socketserver.StreamRequestHandler):
    """The part of SMTP that Django uses."""

    server: _Server

    def handle(self) -> None:
        with suppress(ConnectionError):  # a test may kill the sender in the middle
            self._converse()

    def _converse(self) -> None:
        self._say(220)
        while command := self.rfile.readline()[:4].strip().upper():
            if command == b"DATA":
                self._say(354)
                self._take_in()
            self._say(221 if command == b"QUIT" else 250)
            if command == b"QUIT":
                return

    def _take_in(self) -> None:
        lines = list(iter(self.rfile.readline, b".\r\n"))
        raw = b"".join(line.removeprefix(b".") for line in lines)
        letter = message_from_bytes(raw, policy=policy.default)
        self.server.mailbox.letters.append(letter)
        self.server.mailbox.confirming.wait()

    def _say(self, code: int) -> None:
        self.wfile.write(b"%d \r\n" % code)
