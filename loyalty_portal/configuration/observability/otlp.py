"""OpenTelemetry's SDK, sending spans by OTLP over HTTP. Imported only when traces are on.

The spans are made by hand (docs/decisions/0076-spans-by-hand.md), so nothing is instrumented.
"""

import atexit
import threading
from contextlib import AbstractContextManager
from typing import Any

from django.conf import settings
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

SEND_SECONDS = 5  # for one batch, with its retries; also how long an exit may wait for it
_KINDS = {"server": SpanKind.SERVER, "client": SpanKind.CLIENT, "consumer": SpanKind.CONSUMER}
_propagator = TraceContextTextMapPropagator()


class Otlp:
    """Makes spans (loyalty_portal/configuration/observability/traces.py: Tracing)."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("loyalty-portal")

    def is_recording(self) -> bool:
        return trace.get_current_span().is_recording()

    def traceparent(self) -> str:
        here = trace.get_current_span().get_span_context()
        if not here.is_valid:
            return ""
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}"

    def entry(self, name: str, kind: str, parent: str) -> AbstractContextManager[Span]:
        context = _propagator.extract({"traceparent": parent}) if parent else None
        return self._tracer.start_as_current_span(name, context, _KINDS[kind])

    def inner(self, name: str, kind: str) -> AbstractContextManager[Span]:
        return self._tracer.start_as_current_span(name, kind=_KINDS[kind])

    def fail(self, span: Any) -> None:
        span.set_status(Status(StatusCode.ERROR))


def started(process: str) -> Otlp:
    """Begin to make spans and send them. A queue of 2,048 spans and a thread stand between whoever
    makes them and the endpoint: one that hangs or is away costs spans, never a request's time.
    """
    about = {"service.name": "loyalty-portal", "portal.process": process}
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.OTEL_SAMPLED)),
        resource=Resource.create(about),
        shutdown_on_exit=False,  # it would wait for 30 seconds
    )
    exporter = OTLPSpanExporter(
        f"{settings.OTEL_ENDPOINT.rstrip('/')}/v1/traces", timeout=SEND_SECONDS
    )
    processor = BatchSpanProcessor(exporter)
    provider.add_span_processor(processor)
    atexit.register(_finish, processor)
    return Otlp(provider)


def _finish(processor: BatchSpanProcessor) -> None:
    """At the process's end, send what is left, but wait for SEND_SECONDS at most: the thread ends
    with the process.
    """
    last = threading.Thread(target=processor.shutdown, daemon=True)
    last.start()
    last.join(SEND_SECONDS)
