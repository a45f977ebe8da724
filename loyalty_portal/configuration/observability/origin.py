"""Which request started what happens now, in the request itself and in all work that continues it.

Queued rows (loyalty_portal/data/leases.py) and Celery messages (loyalty_portal/celery.py) keep it,
so that a log line of a task or of the sweeper names the request of the click.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

LONGEST = 64  # characters of a request id
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
# https://www.w3.org/TR/trace-context/: version, trace, span, flags. No id is all zeros.
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
TRACEPARENT_LENGTH = 55


class Origin(NamedTuple):
    """`request_id`: of the request that started it; "" when no request did. `traceparent`: the span
    that this continues; "" when there is none.
    """

    request_id: str = ""
    traceparent: str = ""


NOBODY = Origin()
_request_id: ContextVar[str] = ContextVar("request_id", default="")


def request_id() -> str:
    """The id of the request that this belongs to, or ""."""
    return _request_id.get()


def request_id_now() -> str | None:
    """The same for the column of a row."""
    return _request_id.get() or None


@contextmanager
def belonging_to(request_id: str) -> Iterator[None]:
    """What happens in this block belongs to the request with this id."""
    before = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(before)


def accepted_id(said: object) -> str:
    """A request id that somebody else gave; "" when it is none, so that nobody writes into the log
    what they like.
    """
    return said if isinstance(said, str) and _REQUEST_ID.fullmatch(said) else ""


def accepted_traceparent(said: object) -> str:
    """A traceparent that somebody else gave; "" when it is none."""
    return said if isinstance(said, str) and _TRACEPARENT.fullmatch(said) else ""


def new_id() -> str:
    """A request id of our own: 32 hexadecimal digits."""
    return secrets.token_hex(16)
