"""What every format reads a file into: a record or an error for each row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from catalog.services import ProductData


class ImportFileError(Exception):
    """The file cannot be read at all, in a sentence for the person who brought it."""


class RowError(NamedTuple):
    """What is wrong with one row. `row` counts as a spreadsheet does, or a list's entries."""

    row: int
    field: str
    text: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.field}: {self.text}"


class Skipped(NamedTuple):
    """A row that is not a product, by its nature and not by mistake."""

    row: int
    reason: str


class Remark(NamedTuple):
    """What whoever brings the file should know, though nothing is wrong."""

    row: int
    text: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.text}"


class Stock(NamedTuple):
    """What the file says of a product's stock; `pieces` is None where nobody counts them."""

    pieces: int | None


UNCOUNTED = Stock(None)


class Record(NamedTuple):
    """A product, and its stock if the file says something about it."""

    row: int
    data: ProductData
    stock: Stock | None = None


@dataclass(frozen=True, slots=True)
class Their:
    """What a column of ours is in another's file: a column there, or the same for all rows."""

    column: str = ""
    constant: str = ""


Found = Iterator[Record | RowError | Skipped | Remark]


@dataclass(frozen=True, slots=True)
class Terms:
    """How the file is to be understood: `points_per_unit` for one unit of its currency, and
    what each of our columns is called there, where somebody said so."""

    points_per_unit: Decimal | None = None
    columns: Mapping[str, Their] = field(default_factory=dict)

    def points(self, price: Decimal) -> int:
        """A price in whole points, rounded half up, at least one."""
        if self.points_per_unit is None:
            raise ImportFileError(
                "The file has prices. Say what one unit of its currency is worth, such as "
                "--points-per-unit 100."
            )
        return max(1, int((price * self.points_per_unit + Decimal("0.5")) // 1))
