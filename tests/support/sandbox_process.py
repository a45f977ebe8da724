"""Runs the sandbox as a separate process, for tests, the demo and the benchmarks."""

from __future__ import annotations

import http.client
import json as jsonlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from loyalty_portal.local.supervisor import spawn
from tests.support.ports import free_port

Json = dict[str, Any]

ROOT = Path(__file__).parents[2]
API_KEY = "sandbox-key"
CLIENT_ID = "portal"
CLIENT_SECRET = "portal-secret"
WEBHOOK_SECRET = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldC0wMDAx"
START_SECONDS = 90.0
STOP_SECONDS = 20.0
OURS = ("DEBUG", "PORTAL_URL", "FULFILLMENT_WEBHOOK_SECRETS", "SANDBOX_PORT")


class SandboxError(Exception):
    """The sandbox did not start, or answered a control call with an error."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class SandboxProcess:
    """A sandbox process, also usable as a context manager. Start it with `SandboxProcess.start`.

    `url`, `loyalty_url` and `fulfillment_url` are its addresses. `restart()` keeps port and data.
    """

    def __init__(
        self, port: int, data_dir: Path, options: list[str], variables: Mapping[str, str]
    ) -> None:
        self.variables = variables
        self.port = port
        self.data_dir = data_dir
        self.options = options
        self.url = f"http://127.0.0.1:{port}"
        self.loyalty_url = f"{self.url}/loyalty"
        self.fulfillment_url = f"{self.url}/fulfillment"
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(
        cls,
        port: int | None = None,
        data_dir: Path | str | None = None,
        webhook_url: str | None = None,
        webhook_secret: str | None = None,
        options: tuple[str, ...] = (),
        **variables: str,
    ) -> SandboxProcess:
        """Start a sandbox and wait until it answers.

        Defaults: a free port, a new temporary folder, and the portal's webhook secret
        (FULFILLMENT_WEBHOOK_SECRETS, or WEBHOOK_SECRET). `options` are further arguments of the
        command, such as `("--token-life", "2")`, and `variables` those of its environment. Raises
        SandboxError with its log when it does not start.
        """
        folder = Path(data_dir) if data_dir else Path(tempfile.mkdtemp(prefix="sandbox-"))
        ours = os.environ.get("FULFILLMENT_WEBHOOK_SECRETS", "").split(",")[0].strip()
        secret = webhook_secret or ours or WEBHOOK_SECRET
        arguments = ["--data", str(folder), "--webhook-secret", secret, *options]
        if webhook_url:
            arguments += ["--webhook-url", webhook_url]
        sandbox = cls(port or free_port(), folder, arguments, variables)
        sandbox.launch()
        return sandbox

    def launch(self) -> None:
        """Start the process again with the same port and data."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if name not in OURS}
        environment["DEBUG"] = "true"  # it refuses to run in production
        environment.update(self.variables)
        command = [sys.executable, "-m", "loyalty_portal.sandbox", "--port", str(self.port)]
        with self.log_path.open("ab") as log:
            self.process = spawn(
                [*command, *self.options], environment=environment, folder=ROOT, output=log
            )
        self._wait_until_up()

    def control(
        self, method: str, path: str, json: object = None, params: dict[str, str] | None = None
    ) -> Json:
        """Call the control API, e.g. `control("POST", "/faults", {...})`. Returns the parsed JSON.

        Raises SandboxError with the status for anything but 2xx.
        """
        address = f"{self.url}/control/{path.removeprefix('/control').lstrip('/')}"
        request = Request(
            address + (f"?{urlencode(params)}" if params else ""),
            data=None if json is None else jsonlib.dumps(json).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        try:
            with urlopen(request, timeout=60) as response:
                answer: Json = jsonlib.loads(response.read())
                return answer
        except HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            raise SandboxError(f"{method} {path}: {error.code} {text}", error.code) from None

    def account(self, account_id: str, balance: int, **more: object) -> Json:
        """Create or change an account; `more` may have `blocked` and `expiring`."""
        return self.control(
            "POST", "/accounts", {"account_id": account_id, "balance": balance, **more}
        )

    def fault(self, operation: str, fault: str, **more: object) -> Json:
        """Add a fault rule that applies once, unless `times` says otherwise (None: always)."""
        rule = {"operation": operation, "fault": fault, "times": 1, **more}
        return self.control("POST", "/faults", rule)

    def clear_faults(self) -> None:
        self.control("DELETE", "/faults")

    def dial(self, **dials: object) -> Json:
        """Change the behaviour: mode, delay, processing_event, token_life, page_size, ..."""
        return self.control("POST", "/dials", dials)

    def reset(self) -> None:
        """Delete all accounts, entries, fulfillments and rules, and restore the behaviour."""
        self.control("POST", "/reset", {})

    def ledger(self, **filters: str) -> Json:
        """All entries with their sums; filter by `account` and `reference`."""
        return self.control("GET", "/ledger", params=filters)

    def calls(self, **filters: str) -> list[Json]:
        """The latest calls; filter by operation, reference, idempotency_key, outcome, ..."""
        calls: list[Json] = self.control("GET", "/calls", params=filters)["calls"]
        return calls

    def restart(self) -> None:
        self.stop()
        self.launch()

    def stop(self) -> int:
        """Send SIGTERM and wait. Returns the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Send SIGKILL and wait."""
        return self._end(signal.SIGKILL)

    @property
    def log_path(self) -> Path:
        return self.data_dir / "sandbox.log"

    @property
    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    def __enter__(self) -> SandboxProcess:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise SandboxError(f"The sandbox did not stop:\n{self.log[-2000:]}") from None
        finally:
            self.process = None

    def _wait_until_up(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:
                break
            try:
                with urlopen(f"{self.url}/healthz", timeout=2):
                    return
            except (URLError, OSError, http.client.HTTPException):
                time.sleep(0.05)
        self.kill()
        raise SandboxError(f"The sandbox did not start:\n{self.log[-2000:]}")
