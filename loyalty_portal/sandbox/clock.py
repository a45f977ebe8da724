"""Times as the APIs send them: RFC 3339 in UTC with microseconds, so they sort as text."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime | None = None) -> str:
    return (moment or now()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def normalise(text: str) -> str:
    """Convert any RFC 3339 time to the format of `stamp`. Raises ValueError, also without a
    zone.
    """
    # An unescaped "+" in a query string arrives as a space.
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    if moment.tzinfo is None:
        raise ValueError("the time has no zone")
    return stamp(moment)
