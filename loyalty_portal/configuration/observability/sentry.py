"""Errors to Sentry, without anything personal. Imported only with SENTRY_DSN.

Of an event only what is listed here leaves: the kinds of the exceptions, where in our code they
were raised, which request and which route it was. No message, value, address, header or variable.
"""

from typing import Any

import sentry_sdk
from django.conf import settings
from django.http import HttpRequest
from sentry_sdk.integrations.logging import LoggingIntegration

from loyalty_portal.configuration.observability.access import route_of
from loyalty_portal.configuration.observability.origin import request_id
from loyalty_portal.configuration.observability.traces import trace_id_of, traceparent

_OF_AN_EVENT = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment")
_OF_AN_EXCEPTION = ("type", "module", "mechanism")
_OF_A_FRAME = ("filename", "module", "function", "lineno", "in_app")


def start(process: str) -> None:
    """Send each line of the log with an error to Sentry."""
    sentry_sdk.init(
        dsn=settings.SENTRY_DSN,
        default_integrations=False,
        integrations=[LoggingIntegration(level=None, sentry_logs_level=None)],
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_breadcrumbs=0,
        server_name="",
        before_send=_cleaned,  # type: ignore[arg-type]  # its types are private
    )
    sentry_sdk.set_tag("process", process)


def _cleaned(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any]:
    told = {name: event[name] for name in _OF_AN_EVENT if name in event}
    tags = {"request_id": request_id(), "trace_id": trace_id_of(traceparent())}
    request = getattr(hint.get("log_record"), "request", None)
    if isinstance(request, HttpRequest):
        tags |= {"route": route_of(request), "method": request.method or ""}
    told["tags"] = event.get("tags", {}) | {name: value for name, value in tags.items() if value}
    raised = event.get("exception", {}).get("values", [])
    told["exception"] = {"values": [_of_exception(each) for each in raised]}
    if not raised and (record := hint.get("log_record")):
        told["message"] = str(record.msg)  # the pattern, without its values
    return told


def _of_exception(raised: dict[str, Any]) -> dict[str, Any]:
    told = {name: raised[name] for name in _OF_AN_EXCEPTION if name in raised}
    frames = (raised.get("stacktrace") or {}).get("frames", [])
    told["stacktrace"] = {
        "frames": [{name: each[name] for name in _OF_A_FRAME if name in each} for each in frames]
    }
    return told
