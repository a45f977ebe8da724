"""One step of an order's timeline."""

from datetime import datetime
from typing import NamedTuple


class TimelineStep(NamedTuple):
    """One step of the timeline. Without a time it is happening now, or still to come (`ahead`)."""

    title: str
    text: str
    icon: str
    tone: str = ""
    at: datetime | None = None
    now: bool = False
    ahead: bool = False


def sentence(text: str) -> str:
    """The text with a full stop; "" stays ""."""
    return f"{text.rstrip('.')}." if text else ""
