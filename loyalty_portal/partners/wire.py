"""Reads JSON from partners strictly, and writes ours.

Every reader raises MalformedError for a wrong value. What it returns can be stored as `jsonb` and
shown.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

LARGEST = 2**63 - 1  # PostgreSQL's bigint
DEEPEST = 32

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class MalformedError(ValueError):
    """The JSON does not match the contract. The message names the field, never its value."""


def canonical(data: Mapping[str, Any]) -> bytes:
    """Serialize so that equal data gives equal bytes: a repeated request is the same request."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object in UTF-8.

    Refuses deep nesting, NaN, infinities, NUL and lone surrogates.
    """
    try:
        data = json.loads(raw.decode())
        too_deep = _deeper_than(DEEPEST, data)
        # Serializing it again finds values that Python accepts and PostgreSQL does not.
        again = b"" if too_deep else json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    # UnicodeError and JSONDecodeError are subclasses of ValueError.
    except (ValueError, RecursionError):
        raise MalformedError("not JSON in UTF-8") from None
    if too_deep:
        raise MalformedError("nested too deeply")
    if rb"\u0000" in again:
        raise MalformedError("contains a NUL character")
    if not isinstance(data, dict):
        raise MalformedError("not a JSON object")
    return data


def _deeper_than(levels: int, value: Any) -> bool:
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list):
        inner = value
    else:
        return False
    return levels == 0 or any(_deeper_than(levels - 1, each) for each in inner)


def text(data: Mapping[str, Any], name: str, *, longest: int | None = None) -> str:
    """A non-empty string."""
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedError(f"{name}: not a string")
    if longest is not None and len(value) > longest:
        raise MalformedError(f"{name}: longer than {longest} characters")
    return value


def text_or_none(data: Mapping[str, Any], name: str) -> str | None:
    """A string, possibly empty; None when it is null or missing."""
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise MalformedError(f"{name}: not a string")
    return value


def whole(data: Mapping[str, Any], name: str, *, least: int) -> int:
    """A whole number of at least `least`. Neither True nor 1.0 is accepted for 1."""
    value = data.get(name)
    if type(value) is not int or not least <= value <= LARGEST:
        raise MalformedError(f"{name}: not a whole number of at least {least}")
    return value


def moment(data: Mapping[str, Any], name: str) -> datetime:
    """An RFC 3339 time, converted to UTC."""
    value = data.get(name)
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise MalformedError(f"{name}: not an RFC 3339 time")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise MalformedError(f"{name}: no such time") from None


def day(data: Mapping[str, Any], name: str) -> date:
    value = data.get(name)
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise MalformedError(f"{name}: not a date")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise MalformedError(f"{name}: no such day") from None


def objects(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects; [] when it is missing."""
    value = data.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise MalformedError(f"{name}: not a list of objects")
    return value
