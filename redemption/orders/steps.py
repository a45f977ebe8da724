"""One point of an order's time line."""

from datetime import datetime
from typing import NamedTuple


class TimelineStep(NamedTuple):
    """One point of the time line; without a time it is still to come, or happening now."""

    title: str
    text: str
    icon: str
    tone: str = ""
    at: datetime | None = None
    now: bool = False
    ahead: bool = False


def sentence(text: str) -> str:
    """With its full stop; nothing stays nothing."""
    return f"{text.rstrip('.')}." if text else ""
