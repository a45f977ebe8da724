"""Controls the sandbox: accounts, faults, and past transactions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

PATIENCE = 30.0  # seconds to wait for one answer


class SandboxControlError(Exception):
    """The sandbox cannot be controlled. The message is shown to whoever runs the command."""


class SandboxControl:
    """Client of the control API of the sandbox at LOYALTY_API_URL."""

    def __init__(self) -> None:
        parts = urlsplit(settings.LOYALTY_API_URL)
        self._host = parts.netloc
        self._connection = HTTPConnection(self._host, timeout=PATIENCE)

    def balances(self) -> dict[str, int]:
        """The balance of each account, by account id."""
        accounts = self._ask("GET", "accounts")["accounts"]
        return {account["account_id"]: account["balance"] for account in accounts}

    def has_entries(self, account_id: str) -> bool:
        """Whether the ledger has movements that a portal asked for."""
        entries = self._ask("GET", f"ledger?account={account_id}")["entries"]
        return any(not entry["kind"] for entry in entries)

    def set_account(self, account_id: str, balance: int, **more: Any) -> None:
        """Create or change an account. `more` may have `blocked` and `expiring`."""
        self._ask("POST", "accounts", {"account_id": account_id, "balance": balance, **more})

    def book(self, account_id: str, kind: str, points: int, **more: str) -> None:
        """Let the partner earn, expire or adjust points. `more` may have `description` and `at`."""
        booking = {"account_id": account_id, "kind": kind, "points": points, **more}
        self._ask("POST", "book", booking)

    def take_in(self, **past: list[dict[str, Any]]) -> None:
        """Import past `entries` and `fulfillments`. The sandbox ignores those that it has
        already.
        """
        self._ask("POST", "import", past)

    @property
    def receiver_address(self) -> str:
        """Where the company's own system gets webhooks."""
        return f"http://{self._host}/receiver"

    def receive_webhooks(self, secret: str) -> None:
        """Let the company's own system verify messages with this secret."""
        self._ask("POST", "receiver", {"secret": secret})

    @contextmanager
    def failing(self, operation: str, fault: str, **more: Any) -> Iterator[None]:
        """Make the partner fail at `operation` during the block."""
        rule = self._ask("POST", "faults", {"operation": operation, "fault": fault, **more})
        try:
            yield
        finally:
            self._ask("DELETE", f"faults/{rule['id']}")

    @contextmanager
    def blocking(self, account_id: str) -> Iterator[None]:
        """Block the account during the block, so that debits are refused."""
        self.set_account(account_id, self.balances()[account_id], blocked=True)
        try:
            yield
        finally:
            self.set_account(account_id, self.balances()[account_id], blocked=False)

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            self._connection.request(
                method,
                f"/control/{path}",
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
            answer = self._connection.getresponse()
            status, raw = answer.status, answer.read()
            data = json.loads(raw)
        except (OSError, HTTPException, ValueError) as error:
            self._connection.close()
            raise SandboxControlError(
                f"The sandbox does not answer at http://{self._host}/control/"
                f" ({type(error).__name__}). Start it with `python -m loyalty_portal.sandbox`,"
                " or set LOYALTY_API_URL to where it runs."
            ) from error
        if status >= 400:
            why = data.get("detail") or data.get("title") or data
            raise SandboxControlError(
                f"The sandbox refused {method} /control/{path}: {status} {why}"
            )
        return data
