"""Periods to filter by: the last days, a month, a year."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.texts.times import midnight

_LATELY = {"7d": (_("Last 7 days"), 7), "30d": (_("Last 30 days"), 30)}
_MONTHS = 12  # months in the list, including the current one
_YEARS = 3
_WRITTEN = re.compile(r"([12]\d{3})(?:-(0[1-9]|1[0-2]))?", re.ASCII)


class Period(NamedTuple):
    """From the start of one day to the start of another, which is not included. None means open."""

    value: str
    label: Any
    since: datetime
    until: datetime | None


def period(value: str) -> Period | None:
    """The period that `7d`, `30d`, `2026-10` or `2026` means today; None for anything else."""
    if value in _LATELY:
        words, days = _LATELY[value]
        first = timezone.localdate() - timedelta(days=days - 1)
        return Period(value, words, midnight(first), None)
    written = _WRITTEN.fullmatch(value)
    if written is None:
        return None
    year, month = int(written[1]), int(written[2] or 0)
    if not month:
        until = date(year + 1, 1, 1)
        return Period(value, str(year), midnight(date(year, 1, 1)), midnight(until))
    first = date(year, month, 1)
    label = date_format(first, "YEAR_MONTH_FORMAT")
    return Period(value, label, midnight(first), midnight(_next_month(first)))


def on_offer() -> list[Period]:
    """The last days, months and years, the nearest first."""
    return [found for value in _values(timezone.localdate()) if (found := period(value))]


def _values(today: date) -> Iterator[str]:
    yield from _LATELY
    month = today.replace(day=1)
    for _each in range(_MONTHS):
        yield f"{month:%Y-%m}"
        month = (month - timedelta(days=1)).replace(day=1)
    for ago in range(_YEARS):
        yield str(today.year - ago)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)
