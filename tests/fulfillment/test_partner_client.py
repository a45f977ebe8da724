"""The client of the Fulfillment API, against the sandbox and against wrong answers."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from fulfillment import partner
from fulfillment.partner import Report, ReportStatus
from loyalty_portal.partners.client import Outcome
from tests.loyalty_portal.partners.raw_partner import RawPartner, reply
from tests.support.sandbox_process import API_KEY, SandboxProcess

REPORT: dict[str, Any] = {
    "fulfillment_id": "F1",
    "reference": "R1",
    "status": "accepted",
    "updated_at": "2026-11-22T08:00:00.123456789+01:00",
}
DELIVERABLE: dict[str, Any] = {
    "code": "GIFT-CODE",
    "pin": "GIFT-PIN",
    "url": "https://gift.example/GIFT-URL",
    "expires_on": "2027-01-31",
}


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxProcess]:
    with SandboxProcess.start() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: SandboxProcess, settings: Settings) -> SandboxProcess:
    running.reset()
    running.clear_faults()
    settings.FULFILLMENT_API_URL = running.fulfillment_url
    settings.FULFILLMENT_API_KEY = API_KEY
    settings.PARTNER_TIMEOUT = settings.PARTNER_DEADLINE = 5.0
    return running


def body(quantity: int = 2, **recipient: str) -> bytes:
    return partner.request_body(
        reference="R1",
        sku="GIFT-50",
        quantity=quantity,
        recipient={"name": "Ann", "email": "ann@example.com", **recipient},
        message="",
    )


def event(**changes: Any) -> bytes:
    data = {**REPORT, "status": "delivered", "deliverables": [DELIVERABLE]}
    given = {"type": "fulfillment.delivered", "timestamp": "2026-11-22T08:00:00Z", "data": data}
    return json.dumps(given | changes).encode()


def test_what_is_delivered_at_once_brings_its_codes(sandbox: SandboxProcess) -> None:
    sandbox.dial(mode="instant")
    result = partner.send_request(body(), "fulfill:1")
    assert result.answer.outcome is Outcome.SUCCEEDED
    report = result.report
    assert report is not None
    assert (report.reference, report.status) == ("R1", ReportStatus.DELIVERED)
    assert len(report.deliverables) == 2
    again = partner.send_request(body(), "fulfill:1").report
    assert again == report


def test_what_is_accepted_can_be_found_by_either_id(sandbox: SandboxProcess) -> None:
    sandbox.dial(mode="silent")
    report = partner.send_request(body(), "fulfill:1").report
    assert report is not None
    assert report.status is ReportStatus.ACCEPTED
    assert partner.get(report.fulfillment_id, reference="R1").report == report
    assert partner.find("R1").report == report


def test_what_is_not_found_is_a_success_without_a_report(sandbox: SandboxProcess) -> None:
    nothing = partner.find("R9")
    assert (nothing.answer.outcome, nothing.report) == (Outcome.SUCCEEDED, None)
    assert partner.get("F9", reference="R9").answer.outcome is Outcome.REFUSED


def test_cancelling_answers_what_became_of_it(sandbox: SandboxProcess) -> None:
    sandbox.dial(mode="silent")
    report = partner.send_request(body(), "fulfill:1").report
    assert report is not None
    cancelled = partner.cancel(report.fulfillment_id, "cancel:1", reference="R1").report
    assert cancelled is not None
    assert cancelled.status is ReportStatus.CANCELLED


def test_cancelling_too_late_says_delivered(sandbox: SandboxProcess) -> None:
    sandbox.dial(mode="instant")
    report = partner.send_request(body(), "fulfill:1").report
    assert report is not None
    late = partner.cancel(report.fulfillment_id, "cancel:1", reference="R1")
    assert late.report is not None
    assert late.report.status is ReportStatus.DELIVERED


def test_a_refusal_is_a_refusal(sandbox: SandboxProcess) -> None:
    sandbox.fault("fulfill", "refuse", status=422, code="out_of_stock")
    result = partner.send_request(body(), "fulfill:1")
    assert (result.answer.outcome, result.answer.code) == (Outcome.REFUSED, "out_of_stock")
    assert result.report is None


def test_a_reference_that_was_used_before_is_no_refusal_but_an_incident(
    sandbox: SandboxProcess,
) -> None:
    partner.send_request(body(), "fulfill:1")
    other = partner.send_request(body(), "fulfill:2").answer
    assert (other.outcome, other.mismatch) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize("fault", ["fewer_codes", "more_codes"])
def test_a_wrong_number_of_codes_is_not_a_delivery(sandbox: SandboxProcess, fault: str) -> None:
    sandbox.dial(mode="instant")
    sandbox.fault("webhook", fault)
    result = partner.send_request(body(), "fulfill:1")
    assert (result.answer.outcome, result.answer.mismatch) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize("fault", ["mismatch", "malformed", "not_schema"])
def test_an_answer_about_something_else_is_unknown(sandbox: SandboxProcess, fault: str) -> None:
    sandbox.fault("*", fault, times=None)
    for result in (partner.send_request(body(), "fulfill:1"), partner.find("R1")):
        assert (result.answer.outcome, result.answer.mismatch) == (Outcome.UNKNOWN, True)
        assert result.report is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fulfillment_id", None),
        ("fulfillment_id", "F" * 101),
        ("reference", "R2"),
        ("status", "shipped"),
        ("status", ["accepted"]),
        ("updated_at", "yesterday"),
        ("reason", 7),
        ("deliverables", None),
        ("deliverables", {}),
        ("deliverables", ["GIFT"]),
        ("deliverables", [{"code": 7}]),
        ("deliverables", [{"expires_on": "31.12.2026"}]),
        ("deliverables", [{"url": "javascript:alert(1)"}]),
        ("deliverables", [{"url": "http://[broken"}]),
        ("deliverables", [{"url": "//gift.example/"}]),
    ],
)
def test_a_report_that_breaks_the_contract_is_not_believed(
    settings: Settings, field: str, value: object
) -> None:
    with RawPartner(reply(202, json.dumps({**REPORT, field: value}).encode())) as raw:
        settings.FULFILLMENT_API_URL = raw.url
        result = partner.send_request(body(), "fulfill:1")
    assert (result.answer.outcome, result.answer.mismatch) == (Outcome.UNKNOWN, True)


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"fulfillments": None},
        {"fulfillments": [REPORT, REPORT]},
        {"fulfillments": [{**REPORT, "reference": "R2"}]},
    ],
)
def test_finding_answers_none_or_the_one(settings: Settings, found: dict[str, Any]) -> None:
    with RawPartner(reply(200, json.dumps(found).encode())) as raw:
        settings.FULFILLMENT_API_URL = raw.url
        assert partner.find("R1").answer.mismatch


def test_another_fulfillment_is_not_the_one_that_was_asked_for(settings: Settings) -> None:
    with RawPartner(reply(200, json.dumps(REPORT).encode())) as raw:
        settings.FULFILLMENT_API_URL = raw.url
        assert partner.get("F2", reference="R1").answer.mismatch
        assert partner.get("F1", reference="R2").answer.mismatch
        assert partner.cancel("F2", "cancel:1", reference="R1").answer.mismatch
        assert partner.cancel("F1", "cancel:1", reference="R2").answer.mismatch
        assert partner.get("F1", reference="R1").report is not None


def test_the_request_leaves_out_what_is_blank_and_is_always_the_same_bytes() -> None:
    assert body(phone="") == body()
    assert body(email="b@example.com") != body()
    assert json.loads(body(phone="+4512345678"))["recipient"]["phone"] == "+4512345678"
    assert b"message" not in body()
    assert b" " not in body()


def test_an_event_is_read_whole() -> None:
    read = partner.parse_event(event())
    assert (read.type, read.timestamp.isoformat()) == (
        "fulfillment.delivered",
        "2026-11-22T08:00:00+00:00",
    )
    assert read.report.updated_at.isoformat() == "2026-11-22T07:00:00.123456+00:00"
    (unit,) = read.report.deliverables
    assert (unit.code, unit.pin, unit.expires_on) == ("GIFT-CODE", "GIFT-PIN", date(2027, 1, 31))


def test_no_secret_shows_in_a_repr() -> None:
    shown = repr(partner.parse_event(event()))
    assert "GIFT" not in shown
    assert "R1" in shown


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"type":' * 40_000,
        event(type="fulfillment.failed"),
        event(type="fulfillment.accepted"),
        event(type=["fulfillment.delivered"]),
        event(type=None),
        event(data=None),
        event(data=[REPORT]),
        event(timestamp="now"),
        event(timestamp=5),
        event(data={**REPORT, "status": "delivered", "reference": "\x00"}),
        event(data={**REPORT, "status": "delivered", "reason": "\ud800"}),
        event().replace(b'"R1"', b"1e999"),
        event().replace(b'"R1"', b"NaN"),
        event().replace(b'"R1"', b"9" * 5000),
    ],
    ids=lambda raw: repr(raw)[:40],
)
def test_an_event_that_breaks_the_contract_is_malformed(raw: bytes) -> None:
    with pytest.raises(partner.MalformedEventError):
        partner.parse_event(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(sorted(REPORT)), inner)
    ),
    max_leaves=8,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_raise_anything_but_malformed(raw: bytes) -> None:
    with pytest.raises(partner.MalformedEventError):
        partner.parse_event(raw)


@given(
    JSON, st.sampled_from(["type", "timestamp", "data"]), st.sampled_from([*REPORT, "deliverables"])
)
def test_no_value_in_any_field_raises_anything_but_malformed(
    value: Any, outer: str, inner: str
) -> None:
    report = {**REPORT, "status": "delivered", inner: value}
    for raw in (
        event(**{outer: value}),
        event(data=report),
        event(data={**report, "deliverables": [value]}),
    ):
        try:
            read = partner.parse_event(raw)
        except partner.MalformedEventError:
            continue
        assert isinstance(read.report, Report)
