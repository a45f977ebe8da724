"""What opens and closes the circuit breaker, which all processes share."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache, caches

from loyalty_portal.http import cache as resting
from loyalty_portal.partners.answers import Answer, Outcome
from loyalty_portal.partners.breaker import FAILURES, REST, WINDOW, down_since, hear
from loyalty_portal.partners.client import PartnerClient
from tests.loyalty_portal.partners.raw_partner import RawPartner, problem, reply, reset

SILENT = Answer(Outcome.UNKNOWN, code="timeout")
KEYS = ("partner-failures:loyalty", "partner-down:loyalty")


def fail(times: int, answer: Answer = SILENT, method: str = "POST") -> None:
    for _call in range(times):
        hear("loyalty", method, answer)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(Outcome.UNKNOWN, code="connection"),
        Answer(Outcome.UNKNOWN, code="timeout"),
        Answer(Outcome.UNKNOWN, code="deadline"),
        Answer(Outcome.UNKNOWN, code="token"),
        Answer(Outcome.UNKNOWN, 500, code="internal_error"),
        Answer(Outcome.UNKNOWN, 503, code="http_503"),
    ],
    ids=lambda answer: f"{answer.code} {answer.status_code or ''}",
)
def test_a_partner_that_fails_several_times_in_a_row_is_down(answer: Answer) -> None:
    fail(FAILURES - 1, answer)
    assert down_since("loyalty") is None
    fail(1, answer)
    assert down_since("loyalty") is not None
    assert down_since("fulfillment") is None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(Outcome.UNKNOWN, 401, code="unauthorized"),
        Answer(Outcome.UNKNOWN, 409, code="request_in_progress"),
        Answer(Outcome.UNKNOWN, 429, code="rate_limited"),
        Answer(Outcome.UNKNOWN, 307, code="redirect"),
        Answer(Outcome.UNKNOWN, 201, code="malformed", mismatch=True),
    ],
    ids=lambda answer: answer.code,
)
def test_a_strange_answer_neither_opens_nor_closes_it(answer: Answer) -> None:
    fail(FAILURES * 2, answer)
    assert down_since("loyalty") is None
    fail(FAILURES)
    fail(1, answer)
    assert down_since("loyalty") is not None


def test_a_question_counts_only_when_it_did_not_even_arrive() -> None:
    fail(FAILURES * 2, Answer(Outcome.UNKNOWN, code="timeout"), "GET")
    fail(FAILURES * 2, Answer(Outcome.UNKNOWN, 500, code="internal_error"), "GET")
    assert down_since("loyalty") is None
    fail(FAILURES, Answer(Outcome.UNKNOWN, code="connection", may_have_landed=False), "GET")
    assert down_since("loyalty") is not None
    hear("loyalty", "GET", Answer(Outcome.SUCCEEDED, 200))
    assert down_since("loyalty") is not None


@pytest.mark.parametrize("outcome", [Outcome.SUCCEEDED, Outcome.REFUSED])
def test_any_clear_answer_closes_it_and_the_count_begins_anew(outcome: Outcome) -> None:
    fail(FAILURES)
    hear("loyalty", "POST", Answer(outcome, 200))
    assert down_since("loyalty") is None
    fail(FAILURES - 1)
    assert down_since("loyalty") is None


def test_it_opens_and_closes_with_one_line_each_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    fail(FAILURES * 3)
    for _call in range(3):
        hear("loyalty", "POST", Answer(Outcome.SUCCEEDED, 200))
    assert [record.message for record in caplog.records] == [
        "partner is down",
        "partner answers again",
    ]


def test_it_lets_somebody_try_by_itself_and_one_failure_opens_it_again() -> None:
    fail(FAILURES)
    failures, down = (cache.ttl(key) for key in KEYS)  # type: ignore[attr-defined]
    assert 0 < down <= REST < failures <= WINDOW
    cache.delete("partner-down:loyalty")  # as after that time
    assert down_since("loyalty") is None
    fail(1)
    assert down_since("loyalty") is not None


def test_while_it_is_down_each_failure_is_remembered_as_long_as_the_first() -> None:
    fail(FAILURES)
    for key in KEYS:
        cache.touch(key, timeout=2)  # as if that time were nearly over
    fail(1)
    failures, down = (cache.ttl(key) for key in KEYS)  # type: ignore[attr-defined]
    assert 2 < down <= REST < failures


def test_failures_long_ago_are_forgotten() -> None:
    fail(FAILURES - 1)
    assert 0 < cache.ttl(KEYS[0]) <= WINDOW  # type: ignore[attr-defined]
    cache.delete(KEYS[0])  # as after that time
    fail(1)
    assert down_since("loyalty") is None


def test_the_door_counts_calls_and_stops_none() -> None:
    with RawPartner(problem(500, "internal_error")) as partner:
        client = PartnerClient(partner.config())
        for number in range(FAILURES + 2):
            client.post("/credit", body=b"{}", idempotency_key=f"credit:{number}")
        assert down_since("loyalty") is not None
        assert len(partner.requests) == FAILURES + 2
    with RawPartner(reset, reply()) as partner:  # repeats within one call count once
        client = PartnerClient(partner.config())
        answer = client.post("/credit", body=b"{}", idempotency_key="credit:1")
        assert answer.outcome is Outcome.SUCCEEDED
    assert down_since("loyalty") is None


ANOTHER_PROCESS = """
import django; django.setup()
from loyalty_portal.partners.answers import Answer, Outcome
from loyalty_portal.partners.breaker import FAILURES, down_since, hear
{work}
"""


def elsewhere(work: str) -> str:
    """Run code in another process with the same Redis. Returns its output."""
    program = ANOTHER_PROCESS.format(work=work)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_all_processes_count_and_close_together() -> None:
    fail(FAILURES - 1)
    silent = "hear('loyalty', 'POST', Answer(Outcome.UNKNOWN, code='timeout'))"
    assert elsewhere(f"{silent}; print(down_since('loyalty') is not None)") == "True"
    assert down_since("loyalty") is not None
    elsewhere("hear('loyalty', 'POST', Answer(Outcome.SUCCEEDED, 200))")
    assert down_since("loyalty") is None


@pytest.fixture
def no_redis(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # replaced: a process that has not met the dead cache yet
    monkeypatch.setattr(resting._Resting, "rest_until", 0.0)
    gone = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:9/0"}
    settings.CACHES = {**settings.CACHES, "default": gone}
    yield
    caches.close_all()


def test_without_redis_it_is_closed(no_redis: None) -> None:
    fail(FAILURES * 2)
    assert down_since("loyalty") is None
    hear("loyalty", "POST", Answer(Outcome.SUCCEEDED, 200))
