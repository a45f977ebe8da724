"""What each process counts, for Prometheus.

No label names a company or a person, and none is a path or an id, so that a process tells a few
hundred series at most. Counting never raises and waits for nothing.
"""

from functools import partial

from django.db import transaction
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from loyalty_portal.metrics.web_files import off

# When a series began is in Prometheus already.
disable_created_metrics()  # type: ignore[no-untyped-call]

_QUICK = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds of a request
_CALL = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)  # of a call to a partner
_STEP = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 86400.0)  # of a step of an order

REQUESTS = Counter("portal_requests_total", "Requests that were answered.", ("route", "status"))
REQUEST_SECONDS = Histogram(
    "portal_request_seconds", "How long requests took.", ("route",), buckets=_QUICK
)
PARTNER_CALLS = Counter(
    "portal_partner_calls_total", "Calls to partners.", ("partner", "operation", "outcome")
)
PARTNER_SECONDS = Histogram(
    "portal_partner_seconds", "How long calls to partners took.", ("partner",), buckets=_CALL
)
ORDERS = Counter("portal_orders_total", "What became of orders.", ("outcome",))
ORDER_SECONDS = Histogram(
    "portal_order_seconds",
    "confirmed: from the intent to take points until they are taken; ended: from placing until"
    " the end; letter: from writing a letter until it is sent.",
    ("step",),
    buckets=_STEP,
)
NUDGES_LOST = Counter(
    "portal_nudges_lost_total", "Tasks that could not be queued; the sweeper finds their work."
)
MESSAGES = Counter("portal_messages_total", "Tries to send messages.", ("kind", "outcome"))
LAST_LOOK = Gauge(
    "portal_sweeper_last_look_timestamp_seconds",
    "When this sweeper last looked for due work of a kind.",
    ("kind",),
)


def count(counter: Counter, *labels: str) -> None:
    """Add one."""
    if not off.is_set():
        (counter.labels(*labels) if labels else counter).inc()


def took(histogram: Histogram, seconds: float, *labels: str) -> None:
    """Record how long something took."""
    if not off.is_set():
        histogram.labels(*labels).observe(max(seconds, 0.0))


def sent(kind: str, problem: str) -> None:
    """Count a try to send a message of this kind. `problem`: why it failed, "" when it was sent."""
    count(MESSAGES, kind, "failed" if problem else "sent")


def count_when_true(counter: Counter, *labels: str) -> None:
    """Add one after the current transaction commits."""
    transaction.on_commit(partial(count, counter, *labels), robust=True)


def took_when_true(histogram: Histogram, seconds: float, *labels: str) -> None:
    """Record how long something took, after the current transaction commits."""
    transaction.on_commit(partial(took, histogram, seconds, *labels), robust=True)
