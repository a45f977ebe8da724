"""Receives callbacks: `/webhooks/fulfillment/` (docs/contracts/fulfillment-api.yaml)."""

import logging
import threading
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import resolve, reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from fulfillment.partner import (
    BadSignatureError,
    MalformedEventError,
    parse_event,
    verify_signature,
)
from loyalty_portal.celery import nudge
from redemption.saga import inbox, tasks

logger = logging.getLogger(__name__)

LARGEST = 256 * 1024  # bytes
LONGEST_ID = 255  # characters, the limit of the inbox's column
QUIET = 60.0  # seconds between two log lines about requests that did not come from the partner


class _Strangers:
    """Counts the requests that are refused unread, and logs the count now and then, so that a flood
    of requests is no flood of lines.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._unsaid = 0
        self.quiet_until = 0.0  # on time.monotonic

    def refuse(self, status: int, code: str, title: str) -> JsonResponse:
        with self._lock:
            self._unsaid += 1
            count, now = self._unsaid, time.monotonic()
            if due := now >= self.quiet_until:
                self._unsaid, self.quiet_until = 0, now + QUIET
        if due:
            logger.warning("callbacks refused unread: too large, or not signed", extra={"n": count})
        answer = _problem(status, code, title)
        answer._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - Django would
        return answer


_strangers = _Strangers()


def straight_in(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware: answer callbacks before sessions, languages and seats are looked up, so that a
    forged one costs little. It takes a third of the time (`make bench-webhooks`).
    """
    address = reverse("fulfillment_webhook")
    match = resolve(address)

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.path_info == address:
            request.resolver_match = match
            return fulfillment(request)
        return get_response(request)

    return answer


@csrf_exempt
@require_POST
def fulfillment(request: HttpRequest) -> HttpResponse:
    """Check the size, then the signature over the raw bytes, then the schema; store the callback
    and answer 204.
    """
    try:
        raw = _body(request)
    except Exception:  # noqa: BLE001 - the sender left, or its chunks do not fit: each server's own
        return _strangers.refuse(400, "not_whole", "The body did not arrive whole.")
    if raw is None:
        return _strangers.refuse(413, "too_large", "The body is larger than 256 KiB.")
    try:
        verify_signature(raw, request.headers)
    except BadSignatureError:
        return _strangers.refuse(
            401, "bad_signature", "The signature is bad or missing, or the timestamp is stale."
        )
    if len(webhook_id := request.headers["webhook-id"]) > LONGEST_ID:
        title = f"The webhook-id is longer than {LONGEST_ID} characters."
        return _problem(400, "not_this_schema", title)
    try:
        event = parse_event(raw)
    except MalformedEventError as error:
        return _problem(400, "not_this_schema", str(error))
    callback = inbox.store(webhook_id=webhook_id, raw=raw, event=event)
    if callback is not None:
        nudge(tasks.process_callback, callback.pk)
    return HttpResponse(status=204)


def _body(request: HttpRequest) -> bytes | None:
    """The body; None when it is longer than LARGEST bytes, of which no more is read.

    Raises what the server raises when the sender breaks off.
    """
    announced = request.META.get("CONTENT_LENGTH")
    # A chunked body announces no length. Django would read nothing without one; when the server
    # says that it ends the input itself, the body can be read.
    in_chunks = not announced and request.META.get("wsgi.input_terminated")
    source = request.META["wsgi.input"] if in_chunks else request
    try:
        if int(announced or 0) > LARGEST:
            return None
    except ValueError:
        return None
    raw = b""
    while len(raw) <= LARGEST and (piece := source.read(LARGEST + 1 - len(raw))):
        raw += piece
    return raw if len(raw) <= LARGEST else None


def _problem(status: int, code: str, title: str) -> JsonResponse:
    problem = {"status": status, "code": code, "title": title}
    answer = JsonResponse(problem, status=status, content_type="application/problem+json")
    # CommonMiddleware would add this, but it does not run here.
    answer["Content-Length"] = str(len(answer.content))
    return answer
