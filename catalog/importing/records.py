"""The result types that all import formats share: for each row a record, an error or a remark."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from catalog.services import ProductData


class ImportFileError(Exception):
    """The whole file cannot be read. The message is shown to the person who imports it."""


class RowError(NamedTuple):
    """An error in one row. `row` is the spreadsheet's row number, or the place in a JSON list."""

    row: int
    field: str
    text: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.field}: {self.text}"


class Skipped(NamedTuple):
    """A row that describes no product, such as a heading. It is counted and is no error."""

    row: int
    reason: str


class Remark(NamedTuple):
    """A note about the file that is no error, such as which row was taken as the header."""

    row: int
    text: str

    def __str__(self) -> str:
        return f"row {self.row}: {self.text}"


class Stock(NamedTuple):
    """A product's stock in the file. `pieces` is None for a product whose stock is not counted."""

    pieces: int | None


UNCOUNTED = Stock(None)


# Fields of a product about which no shop's export says anything: staff set them here.
NOT_OF_SHOPS = (
    *("minimum_tier", "available_from", "available_until"),
    *("validity", "usable_at", "delivery_days", "terms"),
)


class Record(NamedTuple):
    """One product of the file, with its stock if the file gives it."""

    row: int
    data: ProductData
    stock: Stock | None = None


@dataclass(frozen=True, slots=True)
class Their:
    """Where one of our columns comes from: a `column` of the file, or a `constant` for all rows."""

    column: str = ""
    constant: str = ""


Found = Iterator[Record | RowError | Skipped | Remark]


@dataclass(frozen=True, slots=True)
class Terms:
    """How to read a file.

    `points_per_unit`: points for one unit of the file's currency. `columns`: where each of our
    columns comes from, if a column map was given.
    """

    points_per_unit: Decimal | None = None
    columns: Mapping[str, Their] = field(default_factory=dict)

    def points(self, price: Decimal) -> int:
        """Convert a price to whole points, rounded half up, at least 1.

        Raises ImportFileError when `points_per_unit` was not given.
        """
        if self.points_per_unit is None:
            raise ImportFileError(
                "The file has prices. Say what one unit of its currency is worth, such as "
                "--points-per-unit 100."
            )
        return max(1, int((price * self.points_per_unit + Decimal("0.5")) // 1))
