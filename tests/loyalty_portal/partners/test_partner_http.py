"""The outcomes of answers, and which calls are repeated."""

import json
import logging
import os
import socket
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.db import transaction
from django.test import RequestFactory

from loyalty_portal.http.where import happening_at
from loyalty_portal.partners import answers
from loyalty_portal.partners.client import Answer, Outcome, PartnerClient
from tests.loyalty_portal.partners.raw_partner import (
    RawPartner,
    Script,
    config,
    problem,
    reply,
    reset,
)

UNKNOWN, REFUSED, SUCCEEDED = Outcome.UNKNOWN, Outcome.REFUSED, Outcome.SUCCEEDED
BODY = b'{"account_id":"NORTHWIND-7","points":4500}'


def debit(partner: RawPartner, **changes: object) -> Answer:
    client = PartnerClient(partner.config(**changes))
    return client.post("/debit", body=BODY, idempotency_key="debit:1")


def answer_to(*scripts: Script, **changes: object) -> Answer:
    with RawPartner(*scripts) as partner:
        return debit(partner, **changes)


def test_a_success_with_an_object_succeeds() -> None:
    answer = answer_to(reply(201, b'{"transaction_id": "T1"}'))
    assert answer == Answer(SUCCEEDED, 201, {"transaction_id": "T1"})


def test_the_id_of_a_call_of_the_api_goes_to_the_partner_who_is_asked_during_it() -> None:
    call: Any = RequestFactory().get("/api/v1/balance")
    call.request_id = "erp-2026-11-27"
    with RawPartner(reply(200, b"{}")) as partner:
        with happening_at(call):
            PartnerClient(partner.config()).get("/balance")
        PartnerClient(partner.config()).get("/balance")
    told = [request.headers["X-Request-Id"] for request in partner.requests]
    assert told == ["erp-2026-11-27", None]


@pytest.mark.parametrize("status", [400, 402, 404, 405, 410, 413, 415, 422, 451, 499])
def test_a_documented_refusal_is_refused(status: int) -> None:
    answer = answer_to(problem(status, "insufficient_points"))
    assert (answer.outcome, answer.code) == (REFUSED, "insufficient_points")
    assert answer.detail == "not so"
    assert answer.may_have_landed


@pytest.mark.parametrize("status", [408, 409, 500, 501, 502, 504, 507, 599])
def test_a_failure_or_an_undecided_status_is_unknown(status: int) -> None:
    answer = answer_to(problem(status, "internal_error"))
    assert (answer.outcome, answer.code, answer.may_have_landed) == (
        UNKNOWN,
        "internal_error",
        True,
    )
    assert not answer.mismatch


@pytest.mark.parametrize("status", [425, 429, 503])
def test_a_busy_partner_is_unknown_when_it_stays_busy(status: int) -> None:
    answer = answer_to(problem(status, "rate_limited", headers=("Retry-After: 60",)))
    assert (answer.outcome, answer.retry_after) == (UNKNOWN, 60.0)


@pytest.mark.parametrize(
    "answer",
    [
        reply(404, b"<html>Not here</html>", content_type="text/html"),
        reply(404, b'{"status": 404, "title": "No", "code": "gone"}'),
        reply(422, b"", content_type="application/problem+json"),
        reply(422, b"[]", content_type="application/problem+json"),
        reply(422, b'{"status": 422, "title": "No"}', content_type="application/problem+json"),
        reply(
            422,
            b'{"status": "422", "title": "No", "code": "x"}',
            content_type="application/problem+json",
        ),
        problem(422, "gone", status=404),
        problem(422, "gone", detail=5),
        problem(422, ""),
    ],
)
def test_a_refusal_that_is_not_the_contracts_is_unknown(answer: bytes) -> None:
    assert answer_to(answer).outcome is UNKNOWN


@pytest.mark.parametrize(
    ("status", "code"), [(401, "unauthorized"), (401, "account_blocked"), (403, "unauthorized")]
)
def test_a_wrong_credential_never_declines_an_order(status: int, code: str) -> None:
    answer = answer_to(problem(status, code))
    assert (answer.outcome, answer.may_have_landed) == (UNKNOWN, False)
    assert answer.rejects_us


def test_a_403_about_what_was_asked_is_a_refusal() -> None:
    answer = answer_to(problem(403, "account_blocked"))
    assert (answer.outcome, answer.code) == (REFUSED, "account_blocked")
    assert not answer.rejects_us


def test_a_bare_401_did_nothing_but_a_bare_403_may_have() -> None:
    assert not answer_to(reply(401, b"", content_type="text/plain")).may_have_landed
    bare = answer_to(reply(403, b"", content_type="text/plain"))
    assert (bare.outcome, bare.may_have_landed, bare.rejects_us) == (UNKNOWN, True, False)


@pytest.mark.parametrize("code", ["idempotency_key_reused", "duplicate_reference"])
def test_a_refusal_about_our_own_key_is_an_incident(code: str) -> None:
    answer = answer_to(problem(422, code))
    assert (answer.outcome, answer.mismatch, answer.code) == (UNKNOWN, True, code)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    with RawPartner(reply(201)) as elsewhere:
        where = (f"Location: {elsewhere.url}/debit",)
        answer = answer_to(reply(status, b"", headers=where))
        assert elsewhere.requests == []
    assert (answer.outcome, answer.code) == (UNKNOWN, "redirect")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"OK",
        b"[]",
        b"null",
        b'"yes"',
        b'{"points": 1',
        b'{"points": NaN}',
        b'{"points": 1e999}',
        b'{"points": ' + b"9" * 5000 + b"}",
        b'{"note": "\\u0000"}',
        b'{"note": "\\ud800"}',
        b'{"note": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
    ],
)
def test_a_success_that_cannot_be_read_is_unknown_and_an_incident(body: bytes) -> None:
    answer = answer_to(reply(201, body))
    assert (answer.outcome, answer.code, answer.mismatch) == (UNKNOWN, "malformed", True)


def test_a_partner_that_stumbles_gets_the_same_bytes_under_the_same_key() -> None:
    with RawPartner(problem(503, "unavailable"), reset, reply(201)) as partner:
        assert debit(partner).outcome is SUCCEEDED
    assert [request.body for request in partner.requests] == [BODY] * 3
    assert [r.headers["Idempotency-Key"] for r in partner.requests] == ["debit:1"] * 3
    assert {r.headers["X-API-Key"] for r in partner.requests} == {"the-api-key"}


def test_a_request_still_in_progress_is_asked_again() -> None:
    with RawPartner(problem(409, "request_in_progress"), reply(201)) as partner:
        assert debit(partner).outcome is SUCCEEDED


def test_a_short_retry_after_is_waited_for_and_a_long_one_is_left_to_the_caller() -> None:
    soon = problem(429, "rate_limited", headers=("Retry-After: 0",))
    later = problem(429, "rate_limited", headers=("Retry-After: 30",))
    with RawPartner(soon, later, reply(201)) as partner:
        answer = debit(partner)
    assert (len(partner.requests), answer.retry_after) == (2, 30.0)


def test_a_partner_that_stays_down_is_not_hammered() -> None:
    with RawPartner(problem(503, "unavailable")) as partner:
        assert debit(partner, deadline=30.0).outcome is UNKNOWN
    assert len(partner.requests) == 4


@pytest.mark.parametrize(
    "script", [reset, problem(503, "unavailable"), problem(409, "request_in_progress")]
)
def test_a_partner_that_ignores_keys_is_never_sent_what_may_have_landed(script: Script) -> None:
    with RawPartner(script, reply(201)) as partner:
        answer = debit(partner, keeps_keys=False)
    assert (len(partner.requests), answer.outcome) == (1, UNKNOWN)
    assert answer.may_have_landed


def test_a_question_may_always_be_repeated() -> None:
    with RawPartner(reset, reply(200)) as partner:
        client = PartnerClient(partner.config(keeps_keys=False))
        assert client.get("/balance/{account_id}", account_id="N").outcome is SUCCEEDED


def test_what_once_may_have_landed_still_may_after_a_refused_connection() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def once() -> None:
        connection, _ = listener.accept()
        listener.close()
        connection.recv(65536)
        reset(connection, threading.Event())
        connection.close()

    thread = threading.Thread(target=once)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread.start()
    client = PartnerClient(config(url))
    answer = client.post("/debit", body=BODY, idempotency_key="debit:1")
    thread.join()
    assert (answer.outcome, answer.code, answer.may_have_landed) == (UNKNOWN, "connection", True)


def test_a_post_without_a_key_is_not_sent() -> None:
    with RawPartner(reply()) as partner:
        client = PartnerClient(partner.config())
        with pytest.raises(ValueError, match="idempotency key"):
            client.post("/debit", body=BODY, idempotency_key="")
    assert partner.requests == []


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_a_transaction() -> None:
    with RawPartner(reply()) as partner:
        with transaction.atomic(), pytest.raises(RuntimeError, match="transaction"):
            debit(partner)
        assert partner.requests == []
        assert debit(partner).outcome is SUCCEEDED


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    with RawPartner(reply()) as partner:
        client = PartnerClient(partner.config())
        client.get("/balance/{account_id}", account_id="../debit?x=1#é/ ")
        with pytest.raises(ValueError, match="part"):
            client.get("/balance/{account_id}", account_id="..")
    assert partner.requests[0].line == (b"GET /balance/..%2Fdebit%3Fx%3D1%23%C3%A9%2F%20 HTTP/1.1")


def test_a_partners_cookie_is_not_kept() -> None:
    with RawPartner(reply(headers=("Set-Cookie: session=1; Path=/",))) as partner:
        debit(partner)
        debit(partner)
    assert "Cookie" not in partner.requests[1].headers


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("9" * 400, 3600.0),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600.0),
        ("Fri, 99 Dec 9999999999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_capped(value: str, seconds: float | None) -> None:
    assert answers.retry_after(value) == seconds


def test_retry_after_as_a_date_is_seconds_from_now() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    seconds = answers.retry_after(soon)
    assert seconds is not None
    assert 0 < seconds <= 100


def test_the_log_has_one_line_a_call_and_no_secret_in_it(caplog: pytest.LogCaptureFixture) -> None:
    said = "write to ann@example.com, card 4111 1111 1111 1111, code ABCD-EFGH-1234-WXYZ"
    caplog.set_level(logging.INFO)
    with RawPartner(problem(422, "account blocked!", detail=said)) as partner:
        client = PartnerClient(partner.config())
        answer = client.get(
            "/balance/{account_id}", {"cursor": "secret-c"}, account_id="NORTHWIND-7"
        )
    (record,) = caplog.records
    facts = record.__dict__
    assert facts["path"] == "/balance/{account_id}"
    assert (facts["partner"], facts["method"], facts["status"]) == ("loyalty", "GET", 422)
    assert (facts["outcome"], facts["code"], facts["attempts"]) == (
        "REFUSED",
        "account_blocked_",
        1,
    )
    everything = json.dumps(facts, default=repr)
    for secret in ("NORTHWIND", "secret-c", "the-api-key", "ann@", "4111", "ABCD"):
        assert secret not in everything
        assert secret not in answer.detail


def test_secrets_stay_out_of_every_repr() -> None:
    secret = config("http://x", api_key="KKK", oauth_client_secret="SSS")
    assert "KKK" not in repr(secret)
    assert "SSS" not in repr(secret)
    assert "GIFT" not in repr(answer_to(reply(200, b'{"code": "GIFT"}')))


def test_many_threads_share_the_door() -> None:
    outcomes: list[Outcome] = []
    with RawPartner(reply(), keep_alive=True) as partner:
        client = PartnerClient(partner.config())

        def work() -> None:
            outcomes.extend(
                client.get("/balance/{account_id}", account_id=str(number)).outcome
                for number in range(10)
            )

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes == [SUCCEEDED] * 80
        assert partner.connections < 80


def test_a_forked_child_speaks_on_a_connection_of_its_own() -> None:
    with RawPartner(reply(), keep_alive=True) as partner:
        client = PartnerClient(partner.config())
        for _ in range(2):
            client.get("/balance/{account_id}", account_id="1")
        assert partner.connections == 1
        child = os.fork()
        if child == 0:
            answer = client.get("/balance/{account_id}", account_id="1")
            os._exit(0 if answer.outcome is SUCCEEDED else 1)
        _, status = os.waitpid(child, 0)
        assert status == 0
        assert client.get("/balance/{account_id}", account_id="1").outcome is SUCCEEDED
        assert partner.connections == 2


def test_each_post_has_a_connection_of_its_own() -> None:
    with RawPartner(reply(), keep_alive=True) as partner:
        for _ in range(3):
            debit(partner)
        assert partner.connections == 3
