"""Starting and stopping the sandbox, and what survives a kill."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.sandbox.conftest import ACCOUNT, until
from tests.sandbox.receiver import Receiver
from tests.support.sandbox_process import (
    API_KEY,
    ROOT,
    WEBHOOK_SECRET,
    SandboxError,
    SandboxProcess,
)

DEBIT = {"account_id": ACCOUNT, "points": 100, "reference": "R-1"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def own(tmp_path: Path, receiver: Receiver) -> Iterator[SandboxProcess]:
    """A sandbox that the test may kill."""
    with SandboxProcess.start(data_dir=tmp_path, webhook_url=receiver.url) as sandbox:
        sandbox.account(ACCOUNT, 1000)
        yield sandbox


def post(sandbox: SandboxProcess, path: str, key: str, body: object) -> httpx.Response:
    headers = {"X-API-Key": API_KEY, "Idempotency-Key": key}
    return httpx.post(f"{sandbox.url}{path}", json=body, headers=headers)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with this environment. It must end by itself."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PORTAL_URL", "FULFILLMENT_WEBHOOK_SECRETS", "SANDBOX_PORT")
    }
    return subprocess.run(
        [sys.executable, "-m", "loyalty_portal.sandbox", *arguments],
        cwd=ROOT,
        env=clean | {"DEBUG": "true"} | environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_what_was_answered_survives_kill_9(own: SandboxProcess) -> None:
    first = post(own, "/loyalty/debit", "debit:1", DEBIT)
    own.kill()
    own.launch()
    second = post(own, "/loyalty/debit", "debit:1", DEBIT)
    assert (second.status_code, second.json()) == (200, first.json())
    assert own.ledger()["debit_points"] == 100
    assert own.control("GET", "/accounts")["accounts"][0]["balance"] == 900


def test_what_was_done_and_never_answered_survives_kill_9(own: SandboxProcess) -> None:
    own.fault("debit", "timeout_after")
    headers = {"X-API-Key": API_KEY, "Idempotency-Key": "debit:1"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{own.loyalty_url}/debit", json=DEBIT, headers=headers, timeout=0.5)
    own.kill()
    own.launch()
    assert post(own, "/loyalty/debit", "debit:1", DEBIT).status_code == 200
    assert own.ledger()["count"] == 1


def test_outcomes_and_events_survive_kill_9(own: SandboxProcess, receiver: Receiver) -> None:
    own.dial(delay=0)
    receiver.answers[:] = [503] * 2
    order = {"sku": "G", "quantity": 1, "recipient": {"name": "A", "email": "a@example.com"}}
    post(own, "/fulfillment/fulfillments", "f:1", order | {"reference": "F-1"})
    receiver.wait(1)
    own.dial(delay=1)
    post(own, "/fulfillment/fulfillments", "f:2", order | {"reference": "F-2"})
    own.kill()
    own.launch()

    def delivered() -> bool:
        return own.control("GET", "/state")["events_waiting"] == 0 and {
            event.body["data"]["reference"] for event in receiver.events
        } == {"F-1", "F-2"}

    until(delivered)
    assert own.control("GET", "/state")["fulfillments_open"] == 0


def test_tokens_and_dials_survive_a_restart(own: SandboxProcess) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": "portal",
        "client_secret": "portal-secret",
    }
    token = httpx.post(f"{own.url}/oauth/token", data=form).json()["access_token"]
    own.dial(page_size=7)
    own.restart()
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{own.loyalty_url}/balance/{ACCOUNT}", headers=headers)
    assert answer.status_code == 200
    assert own.control("GET", "/state")["dials"]["page_size"] == 7


def test_it_stops_cleanly_even_while_a_call_hangs(own: SandboxProcess) -> None:
    own.fault("debit", "timeout_before", seconds=600)
    headers = {"X-API-Key": API_KEY, "Idempotency-Key": "debit:1"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{own.loyalty_url}/debit", json=DEBIT, headers=headers, timeout=0.5)
    assert own.stop() == 0
    assert own.log.rstrip().endswith("stopped")
    assert "Traceback" not in own.log


@pytest.mark.parametrize("value", ["False", "0", "", "perhaps"])
def test_it_refuses_production_settings(tmp_path: Path, value: str) -> None:
    done = run("--data", str(tmp_path), DEBUG=value)
    assert done.returncode == 2
    assert "DEBUG is not on" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_refuses_to_run_where_nobody_said_that_this_is_no_production(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if name != "DEBUG"}
    done = subprocess.run(
        [sys.executable, "-m", "loyalty_portal.sandbox", "--data", str(tmp_path)],
        cwd=ROOT,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "DEBUG is not on" in done.stderr) == (2, True)


def test_it_says_that_the_port_is_taken(own: SandboxProcess, tmp_path: Path) -> None:
    done = run("--port", str(own.port), "--data", str(tmp_path / "other"))
    assert done.returncode == 2
    assert f"port {own.port} of 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--webhook-url", "http://127.0.0.1:1/"], "webhooks need a secret"),
        (["--webhook-secret", "whsec_"], "must be whsec_"),
        (["--webhook-secret", "whsec_a"], "must be whsec_"),
        (["--host", "192.0.2.1"], "cannot listen"),
        (["--data", "/dev/null/x"], "cannot keep its ledger"),
    ],
)
def test_it_says_why_it_cannot_start(tmp_path: Path, arguments: list[str], reason: str) -> None:
    done = run("--port", "0", "--data", str(tmp_path), *arguments)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_it_takes_its_options_from_the_environment(tmp_path: Path, own: SandboxProcess) -> None:
    taken = str(own.port)
    done = run("--data", str(tmp_path / "other"), SANDBOX_PORT=taken)
    assert f"port {taken}" in done.stderr
    done = run("--port", "0", "--data", str(tmp_path), PORTAL_URL="http://127.0.0.1:8000/")
    assert "webhooks need a secret" in done.stderr


def test_the_portal_address_and_the_first_secret_are_used(tmp_path: Path) -> None:
    script = (
        "from loyalty_portal.sandbox.__main__ import _options, _parser;"
        "o = _options(_parser().parse_args([])); print(o.webhook_url, o.webhook_secret)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ
        | {"PORTAL_URL": "http://p:1/", "FULFILLMENT_WEBHOOK_SECRETS": f"{WEBHOOK_SECRET},whsec_b"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["http://p:1/webhooks/fulfillment/", WEBHOOK_SECRET]


def test_it_imports_nothing_of_the_portal() -> None:
    script = (
        "import sys, loyalty_portal.sandbox.__main__;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('django', 'celery', 'httpx', 'accounts', 'catalog', 'redemption', 'fulfillment')"
        " or m.startswith('loyalty_portal.') and not m.startswith('loyalty_portal.sandbox')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_starter_tells_why_it_did_not_start(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="must be whsec_"):
        SandboxProcess.start(data_dir=tmp_path, webhook_secret="whsec_a")
