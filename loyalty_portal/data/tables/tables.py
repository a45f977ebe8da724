"""The form of every report: figures at a glance, and tables, each with a chart and an export."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from loyalty_portal.data.texts.numbers import grouped, signed

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class CellKind(Enum):
    """What a cell holds: a text, a code such as a SKU, a day, a count, points, an average, a share
    from 0 to 1, or seconds. None is an unknown value.
    """

    TEXT = "text"
    CODE = "code"
    DAY = "day"
    COUNT = "count"
    POINTS = "points"
    AVERAGE = "average"
    SHARE = "share"
    SECONDS = "seconds"

    @property
    def is_number(self) -> bool:
        return self not in {CellKind.TEXT, CellKind.CODE, CellKind.DAY}


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """A column of a table."""

    title: str
    kind: CellKind = CellKind.COUNT


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A row: its values, and the changes of the address that ask more about it."""

    values: Sequence[Any]
    asks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table. `drawn` is the place of the column that its chart shows. `is_timeline`: its rows are
    parts of the span, in order. `left_out`: whether there are more rows than these.
    """

    key: str
    title: str
    columns: Sequence[ReportColumn]
    rows: Sequence[ReportRow]
    drawn: int | None = None
    is_timeline: bool = False
    left_out: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class ReportTile:
    """A figure at a glance, beside that of the period before (None: not compared).

    `good` is 1 where more is better, -1 where less is, and 0 where it is neither.
    """

    title: str
    value: float | None
    kind: CellKind = CellKind.COUNT
    before: float | None = None
    compared: bool = True
    good: int = 0

    @property
    def shown(self) -> str:
        return shown(self.value, self.kind)

    @property
    def change(self) -> str:
        """The change in words; "" when it is not compared."""
        if not self.compared:
            return ""
        if self.value is None or not self.before or self.before == float("inf"):
            return _("before: %(value)s") % {"value": shown(self.before, self.kind)}
        change = round(100 * (self.value - self.before) / self.before)
        told = signed(change) if abs(change) < 10_000 else f"> {signed(9_999)}"
        return _("%(change)s %%, before: %(value)s") % {
            "change": told,
            "value": shown(self.before, self.kind),
        }


@dataclass(frozen=True, slots=True)
class ReportPage:
    """The answer of a report."""

    tiles: Sequence[ReportTile]
    tables: Sequence[ReportTable]


def share(part: float, of: float) -> float | None:
    return part / of if of else None


def shown(value: Any, kind: CellKind) -> str:
    """A value as people read it, in their language."""
    if value is None:
        return "–"
    match kind:
        case CellKind.COUNT | CellKind.POINTS:
            return grouped(int(value))
        case CellKind.AVERAGE:
            return number_format(round(value, 1), 1, force_grouping=True)
        case CellKind.SHARE:
            return f"{number_format(round(100 * value, 1), 1)} %"
        case CellKind.SECONDS:
            return duration_told(float(value))
        case _:
            return str(value)


def duration_told(seconds: float) -> str:
    """The bound of a bucket in words."""
    if seconds == float("inf"):
        return _("longer than 90 days")
    if seconds >= _DAY:
        days = seconds / _DAY
        number = number_format(days, 0 if days == int(days) else 1)
        return ngettext("%(n)s day", "%(n)s days", max(1, round(days))) % {"n": number}
    if seconds >= _HOUR:
        return _("%(n)s h") % {"n": int(seconds // _HOUR)}
    if seconds >= _MINUTE:
        return _("%(n)s min") % {"n": int(seconds // _MINUTE)}
    return _("%(n)s s") % {"n": int(seconds)}


def exported(value: Any, kind: CellKind) -> Any:
    """A value as an export has it: numbers and days as such, a share in percent, and durations in
    seconds (empty above the highest bucket).
    """
    if value is None or value == float("inf"):
        return ""
    if kind is CellKind.SHARE:
        return round(100 * value, 2)
    if kind is CellKind.AVERAGE:
        return round(value, 2)
    if kind in {CellKind.COUNT, CellKind.POINTS, CellKind.SECONDS}:
        return int(value)
    if isinstance(value, date):
        return date(value.year, value.month, value.day)  # a part of a span has words of its own
    return str(value)
