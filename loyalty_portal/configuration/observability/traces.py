"""Traces: spans of requests, tasks, swept rows, SQL statements and calls to partners.

Without OTEL_EXPORTER_OTLP_ENDPOINT nothing of OpenTelemetry is imported and every function here
does next to nothing. `start` switches them on (loyalty_portal/configuration/observability/otlp.py).
"""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from loyalty_portal.configuration.observability.origin import (
    Origin,
    accepted_id,
    accepted_traceparent,
    belonging_to,
    request_id,
)

_VARIABLES = frozenset({"OTEL_EXPORTER_OTLP_ENDPOINT", "SENTRY_DSN"})
LONGEST_STATEMENT = 2000  # characters of SQL in a span
_TABLE = re.compile(r'(?:FROM|INTO|UPDATE) "(\w+)"')


class OneSpan(Protocol):
    """What of OpenTelemetry's spans is used here."""

    def update_name(self, name: str) -> None: ...
    def set_attribute(self, key: str, value: Any) -> None: ...
    def set_status(self, status: Any) -> None: ...


class Tracing(Protocol):
    """What makes the spans."""

    def is_recording(self) -> bool: ...
    def traceparent(self) -> str: ...
    def entry(self, name: str, kind: str, parent: str) -> AbstractContextManager[OneSpan]: ...
    def inner(self, name: str, kind: str) -> AbstractContextManager[OneSpan]: ...
    def fail(self, span: OneSpan) -> None: ...


class _Off:
    """No traces."""

    def is_recording(self) -> bool:
        return False

    def traceparent(self) -> str:
        return ""

    def entry(self, _name: str, _kind: str, _parent: str) -> AbstractContextManager[Any]:
        return _NOTHING

    def fail(self, _span: OneSpan) -> None:
        return


_NOTHING: AbstractContextManager[None] = nullcontext()
_OFF = _Off()
_tracing: Any = _OFF


def start(process: str) -> None:
    """Switch on what the settings ask for. `process`: web, worker or sweeper. Web processes call it
    after the fork, because the thread that sends spans does not survive one.
    """
    global _tracing  # noqa: PLW0603 - one for the process
    if _VARIABLES.isdisjoint(os.environ):
        return  # without asking for settings: gunicorn.conf.py serves other applications too
    if settings.OTEL_ENDPOINT:
        _tracing = import_string("loyalty_portal.configuration.observability.otlp.started")(process)
    if settings.SENTRY_DSN:
        import_string("loyalty_portal.configuration.observability.sentry.start")(process)


def is_recording() -> bool:
    """Whether spans that begin now are kept. False outside of sampled traces."""
    return bool(_tracing.is_recording())


def traceparent() -> str:
    """The current span as a header of W3C Trace Context, or ""."""
    return str(_tracing.traceparent())


def traceparent_now() -> str | None:
    """The same for the column of a row."""
    return traceparent() or None


def trace_id_of(traceparent: str | None) -> str:
    """The id of its trace: 32 hexadecimal digits, or ""."""
    return traceparent[3:35] if traceparent else ""


def request_span(parent: object) -> AbstractContextManager[OneSpan | None]:
    """The span of a request. `parent`: its traceparent, as the sender said it."""
    made: AbstractContextManager[OneSpan | None] = _tracing.entry(
        "request", "server", accepted_traceparent(parent)
    )
    return made


def tell_of_request(span: OneSpan | None, method: str | None, route: str, status: int) -> None:
    """Write down what is known at a request's end."""
    if span is None:
        return
    span.update_name(f"{method} {route}".rstrip())
    span.set_attribute("http.request.method", method or "")
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    span.set_attribute("portal.request_id", request_id())
    if status >= 500:
        _tracing.fail(span)


@contextmanager
def continuing(given: Origin, name: str) -> Iterator[None]:
    """Work that continues a request: its log lines and spans belong to it."""
    with (
        belonging_to(given.request_id),
        _tracing.entry(name, "consumer", accepted_traceparent(given.traceparent)),
    ):
        yield


def carried() -> dict[str, str]:
    """What a Celery message says about where it comes from, as its headers."""
    said = {"request_id": request_id(), "traceparent": traceparent()}
    return {name: value for name, value in said.items() if value}


def origin_of(message: Any) -> Origin:
    """What a message's headers say. Anybody who reaches the broker can write them."""
    return Origin(
        accepted_id(message.get("request_id")), accepted_traceparent(message.get("traceparent"))
    )


@contextmanager
def statement(text: Any) -> Iterator[None]:
    """The span of one SQL statement: its text with placeholders, never a value."""
    told = text if isinstance(text, str) else ""
    operation = told.split(None, 1)[0] if told else "SQL"
    table = _TABLE.search(told)
    with _tracing.inner(f"{operation} {table[1]}" if table else operation, "client") as span:
        span.set_attribute("db.system.name", "postgresql")
        span.set_attribute("db.operation.name", operation)
        span.set_attribute("db.query.text", told[:LONGEST_STATEMENT])
        yield


@contextmanager
def partner_call(
    partner: str, method: str, template: str, headers: dict[str, str]
) -> Iterator[None]:
    """The span of one request to a partner, who gets its traceparent. It names the template of the
    address, not the ids in it.
    """
    if not is_recording():
        yield
        return
    with _tracing.inner(f"{method} {template}", "client") as span:
        span.set_attribute("http.request.method", method)
        span.set_attribute("url.template", template)
        span.set_attribute("portal.partner", partner)
        headers["traceparent"] = traceparent()
        yield
