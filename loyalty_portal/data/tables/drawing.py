"""A table as a page shows it: its cells in words, and the bars of its chart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from loyalty_portal.data.tables.tables import ReportRow, ReportTable, shown

BAR_STEP, BAR_WIDTH = 10, 8  # of the drawing, which is 100 high


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A cell: its text, whether it is a number, and where it leads to."""

    text: str
    is_number: bool
    href: str = ""


@dataclass(frozen=True, slots=True)
class ShownBar:
    """A bar. `size` is from 0 to 100; `left` is its place in a timeline."""

    told: str
    left: int
    size: float

    @property
    def top(self) -> float:
        return 100 - self.size


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row with the bar of its value."""

    cells: Sequence[ShownCell]
    bar: ShownBar


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table with its chart. `highest` is the value that fills the chart, in words."""

    table: ReportTable
    rows: Sequence[ShownRow]
    drawn: str
    highest: str

    @property
    def width(self) -> int:
        return max(1, len(self.rows)) * BAR_STEP

    @property
    def bar_width(self) -> int:
        return BAR_WIDTH

    @property
    def has_bars(self) -> bool:
        return any(row.bar.size for row in self.rows)


def shown_table(table: ReportTable, asked: dict[str, str]) -> ShownTable:
    """Put a table into words. `asked` are the parameters of the page's address."""
    place = table.drawn if table.drawn is not None else len(table.columns) - 1
    column = table.columns[place]
    values = [_height(row.values[place]) for row in table.rows]
    highest = max(values, default=0.0)
    rows = [
        ShownRow(
            _cells(table, row, asked),
            ShownBar(
                f"{row.values[0]}: {shown(row.values[place], column.kind)}",
                number * BAR_STEP,
                round(100 * value / highest, 1) if highest else 0,
            ),
        )
        for number, (row, value) in enumerate(zip(table.rows, values, strict=True))
    ]
    return ShownTable(table, rows, column.title, shown(highest, column.kind))


def _height(value: Any) -> float:
    return 0.0 if value is None or value == float("inf") else float(value)


def _cells(table: ReportTable, row: ReportRow, asked: dict[str, str]) -> list[ShownCell]:
    there = f"?{urlencode({**asked, **row.asks})}" if row.asks else ""
    cells = []
    for column, value in zip(table.columns, row.values, strict=True):
        is_name = not column.kind.is_number
        cells.append(ShownCell(shown(value, column.kind), not is_name, there if is_name else ""))
    return cells
