"""Callbacks in: `/webhooks/fulfillment/` (docs/contracts/fulfillment-api.yaml)."""

import logging

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from fulfillment.partner import (
    BadSignatureError,
    MalformedEventError,
    parse_event,
    verify_signature,
)
from loyalty_portal.celery import nudge
from redemption import tasks
from redemption.callbacks import services

logger = logging.getLogger(__name__)

LARGEST = 256 * 1024  # bytes


@csrf_exempt
@require_POST
def fulfillment(request: HttpRequest) -> HttpResponse:
    """Size first, then the signature over the raw bytes, then the schema; stored, then 204."""
    raw = _body(request)
    if raw is None:
        return _problem(413, "too_large", "The body is larger than 256 KiB.")
    try:
        verify_signature(raw, request.headers)
    except BadSignatureError:
        logger.warning("callback with a bad or missing signature, or a stale timestamp")
        return _problem(
            401, "bad_signature", "The signature is bad or missing, or the timestamp is stale."
        )
    try:
        event = parse_event(raw)
    except MalformedEventError as error:
        return _problem(400, "not_this_schema", str(error))
    callback = services.store(webhook_id=request.headers["webhook-id"], raw=raw, event=event)
    if callback is not None:
        nudge(tasks.process_callback, callback.pk)
    return HttpResponse(status=204)


def _body(request: HttpRequest) -> bytes | None:
    """At most LARGEST bytes, never more read than that; None when there is more."""
    try:
        announced = int(request.headers.get("content-length") or 0)
    except ValueError:
        return None
    if announced > LARGEST:
        return None
    raw = request.read(LARGEST + 1)
    return raw if len(raw) <= LARGEST else None


def _problem(status: int, code: str, title: str) -> JsonResponse:
    return JsonResponse(
        {"status": status, "code": code, "title": title},
        status=status,
        content_type="application/problem+json",
    )
