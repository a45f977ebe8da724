"""The Fulfillment API and its webhooks (docs/contracts/fulfillment-api.yaml)."""

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from loyalty_portal.partners import wire
from loyalty_portal.partners.client import (
    Answer,
    Outcome,
    PartnerClient,
    PartnerConfig,
    contradicted,
)

PARTNER = "fulfillment"


class ReportStatus(enum.StrEnum):
    ACCEPTED = "accepted"
    PROCESSING = "processing"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


EVENT_TYPES = {
    "fulfillment.processing": ReportStatus.PROCESSING,
    "fulfillment.delivered": ReportStatus.DELIVERED,
    "fulfillment.failed": ReportStatus.FAILED,
    "fulfillment.cancelled": ReportStatus.CANCELLED,
}


class MalformedEventError(ValueError):
    """The webhook does not follow the contract; answered 400."""


class BadSignatureError(Exception):
    """The webhook is not signed with our secret, or too old; answered 401."""


@dataclass(frozen=True, slots=True)
class Deliverable:
    """One delivered unit. It is secret, so its repr is empty. `url` is http(s)."""

    code: str | None = field(repr=False)
    pin: str | None = field(repr=False)
    url: str | None = field(repr=False)
    expires_on: date | None


@dataclass(frozen=True, slots=True)
class Report:
    """A fulfillment as the partner sees it. `deliverables`: one for each unit, once delivered."""

    fulfillment_id: str
    reference: str
    status: ReportStatus
    updated_at: datetime
    reason: str | None
    deliverables: tuple[Deliverable, ...]


@dataclass(frozen=True, slots=True)
class FulfillmentAnswer:
    """`report` is None unless the call succeeded, and when nothing was found."""

    answer: Answer
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    timestamp: datetime
    report: Report


def request_body(
    *, reference: str, sku: str, quantity: int, recipient: Mapping[str, str], message: str
) -> bytes:
    """The body of a request. `recipient` has name and email, and may have phone (E.164); empty
    values are left out.
    """
    data: dict[str, Any] = {
        "reference": reference,
        "sku": sku,
        "quantity": quantity,
        "recipient": {name: recipient[name] for name in ("name", "email")},
    }
    if recipient.get("phone"):
        data["recipient"]["phone"] = recipient["phone"]
    if message:
        data["message"] = message
    return wire.canonical(data)


def send_request(body: bytes, key: str) -> FulfillmentAnswer:
    """Send the bytes that `request_body` made."""
    answer = client().post("/fulfillments", body=body, idempotency_key=key)
    asked = json.loads(body)
    return _reported(
        answer, {200, 201, 202}, reference=asked["reference"], quantity=asked["quantity"]
    )


def get(fulfillment_id: str, *, reference: str) -> FulfillmentAnswer:
    """Ask for a fulfillment by the partner's id. `reference` is our id, which the answer must
    have.
    """
    answer = client().get("/fulfillments/{fulfillment_id}", fulfillment_id=fulfillment_id)
    return _reported(answer, {200}, fulfillment_id=fulfillment_id, reference=reference)


def find(reference: str) -> FulfillmentAnswer:
    """Ask for a fulfillment by our id. SUCCEEDED without a report means that the partner has none
    yet.
    """
    answer = client().get("/fulfillments", {"reference": reference})
    if answer.outcome is not Outcome.SUCCEEDED or answer.body is None:
        return FulfillmentAnswer(answer)
    try:
        if "fulfillments" not in answer.body:
            raise wire.MalformedError("fulfillments: missing")
        reports = [_report(each) for each in wire.objects(answer.body, "fulfillments")]
        if len(reports) > 1 or any(report.reference != reference for report in reports):
            raise wire.MalformedError("not the one fulfillment that was asked for")
    except wire.MalformedError as error:
        return FulfillmentAnswer(contradicted(answer, str(error)))
    return FulfillmentAnswer(answer, reports[0] if reports else None)


def cancel(fulfillment_id: str, key: str, *, reference: str) -> FulfillmentAnswer:
    """Ask to cancel the partner's `fulfillment_id`, whose reference is ours.

    The status in the report decides; `delivered` means that it was too late.
    """
    path = "/fulfillments/{fulfillment_id}/cancel"
    answer = client().post(path, body=b"", idempotency_key=key, fulfillment_id=fulfillment_id)
    return _reported(answer, {200}, fulfillment_id=fulfillment_id, reference=reference)


def resend_body(*, name: str, email: str) -> bytes:
    """The body of a request to send again what was delivered."""
    return wire.canonical({"recipient": {"name": name, "email": email}})


def resend(fulfillment_id: str, body: bytes, key: str, *, reference: str) -> FulfillmentAnswer:
    """Ask to send again what was delivered, with the bytes that `resend_body` made. A partner that
    cannot do so answers 404 or 501, which is a refusal whatever its form.
    """
    path = "/fulfillments/{fulfillment_id}/resend"
    answer = client().post(path, body=body, idempotency_key=key, fulfillment_id=fulfillment_id)
    if answer.status_code in {404, 501}:
        return FulfillmentAnswer(replace(answer, outcome=Outcome.REFUSED))
    return _reported(answer, {200}, fulfillment_id=fulfillment_id, reference=reference)


def verify_signature(raw: bytes, headers: Mapping[str, str]) -> None:
    """Check the signature of Standard Webhooks over the raw bytes; 5 minutes' tolerance.

    Raises BadSignatureError.
    """
    for secret in settings.FULFILLMENT_WEBHOOK_SECRETS:
        try:
            Webhook(secret).verify(raw, dict(headers), json_parse=False)
        except (WebhookVerificationError, EmptyWebhookSecretError, ValueError, RecursionError):
            continue  # hostile headers make the library raise other errors than its own
        return
    raise BadSignatureError("no secret of ours signed this lately")


def parse_event(raw: bytes) -> Event:
    """Read the event in a webhook's body. Raises MalformedEventError for any bytes that are
    none.
    """
    try:
        body = wire.read_object(raw)
        kind = wire.text(body, "type")
        data = body.get("data")
        if kind not in EVENT_TYPES or not isinstance(data, dict):
            raise wire.MalformedError("type or data: not what the contract has")
        event = Event(kind, wire.moment(body, "timestamp"), _report(data))
        if event.report.status is not EVENT_TYPES[kind]:
            raise wire.MalformedError("type and status disagree")
    except wire.MalformedError as error:
        raise MalformedEventError(str(error)) from None
    return event


def _reported(
    answer: Answer, statuses: set[int], *, quantity: int | None = None, **expected: str
) -> FulfillmentAnswer:
    """Read the report, which must have the `expected` values and, if delivered, `quantity`
    codes.
    """
    if answer.outcome is not Outcome.SUCCEEDED or answer.body is None:
        return FulfillmentAnswer(answer)
    try:
        if answer.status_code not in statuses:
            raise wire.MalformedError("the contract has no such status")
        report = _report(answer.body)
        for name, value in expected.items():
            if getattr(report, name) != value:
                raise wire.MalformedError(f"{name}: not the one that was sent")
        delivered = report.status is ReportStatus.DELIVERED
        if delivered and quantity not in {None, len(report.deliverables)}:
            raise wire.MalformedError("deliverables: not one for each unit")
    except wire.MalformedError as error:
        return FulfillmentAnswer(contradicted(answer, str(error)))
    return FulfillmentAnswer(answer, report)


def _report(data: Mapping[str, Any]) -> Report:
    status = wire.text(data, "status")
    if status not in set(ReportStatus):
        raise wire.MalformedError("status: not one of the contract's")
    return Report(
        fulfillment_id=wire.text(data, "fulfillment_id", longest=100),
        reference=wire.text(data, "reference", longest=100),
        status=ReportStatus(status),
        updated_at=wire.moment(data, "updated_at"),
        reason=wire.text_or_none(data, "reason"),
        deliverables=tuple(_deliverable(each) for each in wire.objects(data, "deliverables")),
    )


def _deliverable(data: Mapping[str, Any]) -> Deliverable:
    url = wire.text_or_none(data, "url")
    if url and not _is_web_address(url):
        # A javascript: address would become a link.
        raise wire.MalformedError("url: not a web address")
    return Deliverable(
        code=wire.text_or_none(data, "code"),
        pin=wire.text_or_none(data, "pin"),
        url=url,
        expires_on=None if data.get("expires_on") is None else wire.day(data, "expires_on"),
    )


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and url.isprintable()


def client() -> PartnerClient:
    """The HTTP client of this partner. Only this module and checks of the partner use it."""
    return PartnerClient(
        PartnerConfig(
            name=PARTNER,
            base_url=settings.FULFILLMENT_API_URL,
            api_key=settings.FULFILLMENT_API_KEY,
            oauth_token_url=settings.FULFILLMENT_OAUTH_TOKEN_URL,
            oauth_client_id=settings.FULFILLMENT_OAUTH_CLIENT_ID,
            oauth_client_secret=settings.FULFILLMENT_OAUTH_CLIENT_SECRET,
            timeout=settings.PARTNER_TIMEOUT,
            deadline=settings.PARTNER_DEADLINE,
        )
    )
