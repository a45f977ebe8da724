"""One line in the log for each request, also for those that succeed.

It names the route and never the path, which may hold ids, tokens and what somebody searched for.
gunicorn's own access log stays off: it writes paths, and knows neither route nor seat.
"""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from loyalty_portal.configuration.observability import traces
from loyalty_portal.configuration.observability.origin import accepted_id, belonging_to, new_id

HEADER = "X-Request-Id"
# Probes ask each second. They are told of only when they fail.
PROBES = frozenset({"healthz", "readyz"})
_NO_TRACE = frozenset({"/healthz", "/readyz"})

logger = logging.getLogger("access")


def tell_requests(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, the first: gives each request its id and writes its line.

    The id is the balancer's `X-Request-Id` if it is well formed, and it is in the answer.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        request_id = accepted_id(request.META.get("HTTP_X_REQUEST_ID")) or new_id()
        with (
            belonging_to(request_id),
            _span(request) as span,
        ):
            response = get_response(request)
            response.headers[HEADER] = request_id
            # Django would add a line, without an id, about each answer from 400 on.
            response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001
            seconds = time.perf_counter() - began
            route, status = route_of(request), response.status_code
            traces.tell_of_request(span, request.method, route, status)
            if status >= 400 or route not in PROBES:
                tell(request.method, route, status, seconds, getattr(request, "seat_id", None))
        return response

    return answer


def _span(request: HttpRequest) -> AbstractContextManager[traces.OneSpan | None]:
    if request.path_info in _NO_TRACE:
        return nullcontext()
    return traces.request_span(request.META.get("HTTP_TRACEPARENT"))


def tell(method: str | None, route: str, status: int, seconds: float, seat: object = None) -> None:
    """Write the line of one request. `seat` is the id of a seat."""
    facts: dict[str, Any] = {
        "method": method,
        "route": route,
        "status": status,
        "duration_ms": round(seconds * 1000, 1),
    }
    if seat is not None:
        facts["seat"] = str(seat)
    logger.log(logging.WARNING if status >= 500 else logging.INFO, "request", extra=facts)


def route_of(request: HttpRequest) -> str:
    """The name of the request's route, such as `order` or `admin:index`. "static" for files, and ""
    when there is no such address, or the request was answered before it was looked up.
    """
    match = request.resolver_match
    if match is not None:
        return match.view_name
    return "static" if request.path_info.startswith(urlsplit(settings.STATIC_URL).path) else ""
