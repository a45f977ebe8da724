"""Times on the wire: RFC 3339 in UTC with microseconds, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)


def stamp(moment: datetime | None = None) -> str:
    return (moment or now()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def normalise(text: str) -> str:
    """Any RFC 3339 time as `stamp` writes it. Raises ValueError, also where the zone is missing."""
    # A "+" that was not escaped in a query string arrives as a space.
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    if moment.tzinfo is None:
        raise ValueError("the time has no zone")
    return stamp(moment)
