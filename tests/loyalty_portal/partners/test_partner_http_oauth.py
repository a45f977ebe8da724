"""Access tokens are fetched once for all processes and renewed once. No debit is declined for want
of one.
"""

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.core.cache import cache
from django.test import override_settings

from loyalty_portal.partners import client
from loyalty_portal.partners.client import Answer, Outcome, PartnerClient, PartnerConfig
from loyalty_portal.partners.token import Grant, TokenError, TokenStore
from tests.loyalty_portal.partners.raw_partner import (
    RawPartner,
    Script,
    config,
    problem,
    reply,
    script_id,
    silence,
)
from tests.support.sandbox_process import CLIENT_ID, CLIENT_SECRET, SandboxProcess

BODY = b'{"account_id":"N","points":1,"reference":"R1"}'
WITHOUT_CACHE = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://127.0.0.1:1/0",
        "OPTIONS": {"IGNORE_EXCEPTIONS": True, "SOCKET_CONNECT_TIMEOUT": 0.1},
    }
}


@pytest.fixture(autouse=True)
def forget_tokens() -> None:
    cache.clear()
    client._forget()


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxProcess]:
    with SandboxProcess.start() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: SandboxProcess) -> SandboxProcess:
    running.reset()
    running.account("N", 1000)
    return running


def oauth(sandbox: SandboxProcess, **changes: object) -> PartnerConfig:
    given: dict[str, object] = {
        "api_key": "",
        "oauth_token_url": f"{sandbox.loyalty_url}/oauth/token",
        "oauth_client_id": CLIENT_ID,
        "oauth_client_secret": CLIENT_SECRET,
    }
    return config(sandbox.loyalty_url, **given | changes)


def debit(config: PartnerConfig, key: str = "debit:1") -> Answer:
    return PartnerClient(config).post("/debit", body=BODY, idempotency_key=key)


def test_one_token_serves_many_calls(sandbox: SandboxProcess) -> None:
    for number in range(3):
        assert debit(oauth(sandbox), f"debit:{number}").outcome is Outcome.SUCCEEDED
    assert len(sandbox.calls(operation="token")) == 1


def test_another_process_finds_the_token_in_the_cache_and_it_is_not_readable_there(
    sandbox: SandboxProcess,
) -> None:
    debit(oauth(sandbox))
    client._forget()
    debit(oauth(sandbox), "debit:2")
    assert len(sandbox.calls(operation="token")) == 1
    (key,) = cache.keys("partner-token:*")  # type: ignore[attr-defined]
    assert cache.get(key).startswith("v2.")


def test_a_token_that_ended_early_is_renewed_once_and_the_call_repeated(
    sandbox: SandboxProcess,
) -> None:
    debit(oauth(sandbox))
    sandbox.fault("debit", "expired_token")
    assert debit(oauth(sandbox), "debit:2").outcome is Outcome.SUCCEEDED
    assert len(sandbox.calls(operation="token")) == 2


def test_a_partner_that_rejects_every_token_declines_nothing(sandbox: SandboxProcess) -> None:
    sandbox.fault("debit", "expired_token", times=None)
    answer = debit(oauth(sandbox))
    assert (answer.outcome, answer.status_code) == (Outcome.UNKNOWN, 401)
    assert not answer.may_have_landed
    assert len(sandbox.calls(operation="token")) == 2
    sandbox.clear_faults()


def test_a_wrong_secret_declines_nothing_and_is_not_said_aloud(
    sandbox: SandboxProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = debit(oauth(sandbox, oauth_client_secret="wrong-secret"))
    assert (answer.outcome, answer.code) == (Outcome.UNKNOWN, "token_refused")
    assert not answer.may_have_landed
    assert "wrong-secret" not in caplog.text + repr(caplog.records) + answer.detail


def test_a_new_secret_does_not_use_the_old_ones_token(sandbox: SandboxProcess) -> None:
    debit(oauth(sandbox))
    assert debit(oauth(sandbox, oauth_client_secret="rotated")).code == "token_refused"


def test_no_token_is_logged(sandbox: SandboxProcess, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    config = oauth(sandbox)
    debit(config)
    token = client._tokens(config)._grant
    assert token is not None
    assert token.token not in json.dumps([r.__dict__ for r in caplog.records], default=repr)
    assert token.token not in repr(token)


@pytest.mark.parametrize(
    "script",
    [
        silence,
        b"",
        problem(500, "internal_error"),
        reply(200, b"<html>"),
        reply(200, b'{"token_type": "Bearer"}'),
        reply(200, b'{"access_token": "a\\r\\nX-Admin: 1"}'),
        reply(200, b'{"access_token": "t", "expires_in": "soon"}'),
        reply(302, b"", headers=("Location: http://127.0.0.1:1/",)),
    ],
    ids=script_id,
)
def test_a_broken_token_endpoint_means_that_nothing_was_sent(script: Script) -> None:
    with RawPartner(script) as authority, RawPartner(reply()) as partner:
        broken = partner.config(oauth_token_url=authority.url, deadline=0.5)
        answer = debit(broken)
        assert partner.requests == []
    assert (answer.outcome, answer.code) == (Outcome.UNKNOWN, "token")
    assert not answer.may_have_landed


@override_settings(CACHES=WITHOUT_CACHE)
def test_tokens_work_without_the_cache(sandbox: SandboxProcess) -> None:
    for number in range(3):
        assert debit(oauth(sandbox), f"debit:{number}").outcome is Outcome.SUCCEEDED
    assert len(sandbox.calls(operation="token")) == 1


def test_a_token_in_the_cache_that_was_tampered_with_is_ignored(sandbox: SandboxProcess) -> None:
    debit(oauth(sandbox))
    (key,) = cache.keys("partner-token:*")  # type: ignore[attr-defined]
    cache.set(key, "v1.00000000.AAAA")
    client._forget()
    assert debit(oauth(sandbox), "debit:2").outcome is Outcome.SUCCEEDED


def test_of_many_processes_one_fetches() -> None:
    fetched: list[str] = []
    together = threading.Barrier(8)
    seen: list[str] = []

    def fetch(_ends_at: float) -> Grant:
        fetched.append("token")
        return Grant(f"token-{len(fetched)}", time.time() + 60)

    def process() -> None:
        store = TokenStore("loyalty", ("url", "id", "secret"), fetch)
        together.wait()
        seen.append(store.token(ends_at=time.monotonic() + 20))

    threads = [threading.Thread(target=process) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["token-1"] * 8
    assert len(fetched) == 1


ANOTHER_PROCESS = """
import sys
import django; django.setup()
from loyalty_portal.partners.client import PartnerClient, PartnerConfig
url, key = sys.argv[1:]
config = PartnerConfig("loyalty", url, "", f"{url}/oauth/token", "portal", "portal-secret", 5, 15)
body = b'{"account_id":"N","points":1,"reference":"R1"}'
print("ready", flush=True)
sys.stdin.readline()  # all begin together
print(PartnerClient(config).post("/debit", body=body, idempotency_key=key).outcome)
"""


def test_processes_that_find_the_token_rejected_renew_it_once_for_all(
    sandbox: SandboxProcess,
) -> None:
    assert debit(oauth(sandbox)).outcome is Outcome.SUCCEEDED
    revoke(sandbox, oauth(sandbox))
    # Long enough for all calls to meet there.
    sandbox.fault("token", "delay", seconds=1.0, times=None)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ANOTHER_PROCESS, sandbox.loyalty_url, f"debit:{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2, 6)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    told = [process.communicate()[0] for process in processes]
    assert told == ["SUCCEEDED\n"] * 4
    # The rejected call succeeds as well.
    assert debit(oauth(sandbox), "debit:6").outcome is Outcome.SUCCEEDED
    assert len(sandbox.calls(operation="token")) == 2
    rejected = [call for call in sandbox.calls(operation="debit") if call["status"] == 401]
    assert len(rejected) > 1  # otherwise the calls did not meet


def revoke(sandbox: SandboxProcess, config: PartnerConfig) -> None:
    """Revoke the token before it expires, without telling anybody."""
    grant = client._tokens(config)._grant
    assert grant is not None
    sandbox.fault("balance", "expired_token")
    with_it = {"Authorization": f"Bearer {grant.token}"}
    with pytest.raises(HTTPError, match="401"):
        urlopen(Request(f"{sandbox.loyalty_url}/balance/N", headers=with_it))


def test_a_fetch_that_failed_does_not_keep_the_next_from_fetching() -> None:
    tries = iter([None, Grant("token", time.time() + 60)])

    def fetch(_ends_at: float) -> Grant:
        grant = next(tries)
        if grant is None:
            raise TokenError("not now")
        return grant

    store = TokenStore("loyalty", ("url", "id", "secret"), fetch)
    with pytest.raises(TokenError):
        store.token(ends_at=time.monotonic() + 5)
    assert store.token(ends_at=time.monotonic() + 5) == "token"
