"""One step of an order's timeline."""

from datetime import datetime
from typing import NamedTuple

from loyalty_portal.data.texts.kept import retold


class TimelineStep(NamedTuple):
    """One step of the timeline. Without a time it is happening now, or still to come (`ahead`)."""

    title: str
    text: str
    icon: str
    tone: str = ""
    at: datetime | None = None
    now: bool = False
    ahead: bool = False
    may_ask: bool = False  # it leads to the form of a question


def sentence(text: str) -> str:
    """A stored text in the reader's language, with a full stop; "" stays ""."""
    return f"{retold(text).rstrip('.')}." if text else ""
