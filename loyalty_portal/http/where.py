"""Where something happens: at which address of the portal, or in which command."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from django.http import HttpRequest

from loyalty_portal.http.client_address import UNKNOWN, client_address

_here: ContextVar["HttpRequest | str | None"] = ContextVar("where", default=None)


@dataclass(frozen=True, slots=True)
class Where:
    """`place` is a path without its query, or `manage.py …`; `address` is the sender's IP address,
    `request_id` the id of a call of the API. Each may be "".
    """

    place: str = ""
    address: str = ""
    request_id: str = ""


@contextmanager
def happening_at(here: HttpRequest | str) -> Iterator[None]:
    """Set the current location (request path or command name) that history rows record, for this
    block.
    """
    before = _here.set(here)
    try:
        yield
    finally:
        _here.reset(before)


def where() -> Where:
    """Where this happens; empty in a worker."""
    here = _here.get()
    if here is None:
        return Where()
    if isinstance(here, str):
        return Where(f"manage.py {here}")
    address = client_address(here)
    request_id = getattr(here, "request_id", "")
    return Where(here.path, "" if address == UNKNOWN else address, request_id)
