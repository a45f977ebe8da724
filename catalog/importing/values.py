"""Reads cells as people fill them in. An invalid cell gives an error that says what to write."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from django.utils.dateparse import parse_date, parse_datetime

from accounts.models import TierLevel
from catalog.importing.records import RowError, Terms
from catalog.importing.texts import is_protected, plain, plain_lines, rich
from catalog.importing.workbooks import OddCell
from catalog.models import ProductType
from loyalty_portal.data.one_line import is_visible

MOST = 2_147_483_647  # the largest integer of the database's columns
LONGEST_DESCRIPTION = 20_000  # characters
YES = {"1", "true", "yes", "y", "x", "on", "active", "published"}
NO = {"0", "-1", "false", "no", "n", "off", "inactive", "draft", "archived", "unlisted"}
TYPES = {
    "physical": ProductType.PHYSICAL,
    "shipped": ProductType.PHYSICAL,
    "virtual": ProductType.VIRTUAL,
    "digital": ProductType.VIRTUAL,
    "by e-mail": ProductType.VIRTUAL,
}
_CURRENCY = re.compile(r"^(?:[A-Z]{3}|[^\w\s.,-]{1,2})\s*|\s*(?:[A-Z]{3}|[^\w\s.,-]{1,2})$")
_NUMBERS = (  # each pattern with its thousands separator
    (re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?"), ","),
    (re.compile(r"-?[0-9]{1,3}(\.[0-9]{3})+,[0-9]+|-?[0-9]{1,3}(\.[0-9]{3}){2,}"), "."),
    (re.compile(r"-?[0-9]+([.,][0-9]+)?"), " "),
)


def money(text: str) -> Decimal:
    """Read a price such as "17.99", "1,299.00", "1.299,00", "€ 17,99" or "USD 5".

    Raises ValueError when it is not a number.
    """
    bare = _CURRENCY.sub("", plain(text)).replace("\N{NO-BREAK SPACE}", "").replace(" ", "")
    bare = bare.replace("'", "").replace("’", "")
    if len(bare) > 20:
        raise ValueError(text)
    for pattern, grouping in _NUMBERS:
        if pattern.fullmatch(bare):
            return Decimal(bare.replace(grouping, "").replace(",", "."))
    raise ValueError(text)


def _two_ways(text: str, marks: str) -> bool:
    """Whether a text such as "1.250" can be read as 1250 and as 1.25. `marks` are the
    separators.
    """
    return re.fullmatch(rf"\D*[1-9][0-9]{{0,2}}[{marks}][0-9]{{3}}\D*", text) is not None


class Cells:
    """Reads the cells of one row. Errors are collected in `errors`."""

    def __init__(self, row: int, cells: Mapping[str, str]) -> None:
        self.row = row
        self._cells = cells
        self.errors: list[RowError] = []

    def error(self, name: str, text: str) -> None:
        self.errors.append(RowError(self.row, name, text))

    def has(self, name: str) -> bool:
        """Whether the file has this column."""
        return name in self._cells

    def lacking(self, columns: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """The fields of a product of whose columns the file has none."""
        return tuple(field for field, names in columns.items() if not any(map(self.has, names)))

    def raw(self, name: str) -> str:
        return self._cells.get(name, "")

    def said(self, name: str, *, date_fits: bool = False) -> str:
        """The cell as one line of text; "" and an error when the cell is an OddCell."""
        cell = self.raw(name)
        if isinstance(cell, OddCell) and not (cell.is_date and date_fits):
            self.error(name, cell.trouble)
            return ""
        return plain(cell)

    def text(self, name: str, *, longest: int, required: bool = False) -> str:
        """The cell as one line of at most `longest` characters."""
        value = self.said(name)
        if required and not value and not isinstance(self.raw(name), OddCell):
            self.error(name, "is missing")
        if value and not is_visible(value):
            self.error(name, "has only characters that nobody can see")
        if value.startswith("=") and not is_protected(self.raw(name)):
            self.error(name, f"{value[:40]!r} is a formula; write the text itself")
        if len(value) > longest:
            self.error(name, f"is longer than {longest} characters")
        return value[:longest]

    def description(self, name: str, *more: str) -> str:
        """The first of these columns that is not empty, as safe HTML."""
        text = next((self.raw(one) for one in (name, *more) if self.raw(one).strip()), "")
        if isinstance(text, OddCell):
            self.error(name, text.trouble)
            return ""
        if len(text) > LONGEST_DESCRIPTION:
            self.error(name, f"is longer than {LONGEST_DESCRIPTION:,} characters")
            return ""
        return rich(text)

    def lines(self, name: str, *, longest: int) -> str:
        """The cell as plain text of several lines, of at most `longest` characters."""
        cell = self.raw(name)
        if isinstance(cell, OddCell):
            self.error(name, cell.trouble)
            return ""
        text = plain_lines(cell)
        if text.startswith("=") and not is_protected(cell):
            self.error(name, f"{text[:40]!r} is a formula; write the text itself")
        if len(text) > longest:
            self.error(name, f"is longer than {longest:,} characters")
        return text[:longest]

    def whole(
        self, name: str, *, low: int, most: int = MOST, default: int | None = None
    ) -> int | None:
        """The cell as a whole number from `low` to `most`; `default` for an empty or wrong one."""
        value = self.said(name)
        if not value:
            return default
        try:
            number = money(value)
        except ValueError:
            self.error(name, f"{value[:40]!r} is not a number")
            return default
        if _two_ways(value, "."):
            self.error(name, f"{value[:40]!r} can be read in two ways; write it without the point")
        elif number != int(number):
            self.error(name, f"{value[:40]!r} is not a whole number")
        elif not low <= number <= most:
            self.error(name, f"must be between {low} and {most:,}, not {value[:40]}")
        else:
            return int(number)
        return default

    def price(self, name: str, terms: Terms) -> int:
        """The cell's price in points; 1 and an error when it is not valid."""
        value = self.said(name)
        if not value:
            if not isinstance(self.raw(name), OddCell):
                self.error(name, "is missing")
            return 1
        try:
            price = money(value)
        except ValueError:
            self.error(name, f"{value[:40]!r} is not a number")
            return 1
        if _two_ways(value, ".,"):
            self.error(name, f"{value[:40]!r} can be read in two ways; write it with two decimals")
        if price <= 0:
            self.error(name, f"must be above 0, not {value[:40]}")
            return 1
        points = terms.points(price)
        if points > MOST:
            self.error(name, f"{value[:40]} is more than {MOST:,} points")
            return 1
        return points

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.said(name).lower()
        if not value:
            return default
        if value not in YES | NO:
            self.error(name, f"{value[:40]!r} is neither yes nor no")
        return value in YES

    def product_type(self, name: str) -> str:
        value = self.said(name).lower()
        if value not in TYPES:
            self.error(name, f"{value[:40]!r} is neither PHYSICAL nor VIRTUAL")
        return TYPES.get(value, ProductType.PHYSICAL)

    def tier(self, name: str) -> str:
        value = self.said(name).upper()
        if value and value not in TierLevel.values:
            self.error(name, f"{value[:40]!r} is none of {', '.join(TierLevel.values)}")
            return TierLevel.BRONZE
        return value or TierLevel.BRONZE

    def time(self, name: str) -> datetime | None:
        """The cell as an ISO 8601 date or time, in UTC if it has no time zone; None if empty."""
        value = self.said(name, date_fits=True)
        if not value:
            return None
        try:
            found = parse_datetime(value)
            if found is None and (day := parse_date(value)):
                found = datetime(day.year, day.month, day.day, tzinfo=UTC)
        except ValueError:
            found = None
        if found is None:
            self.error(name, f"{value[:40]!r} is not a date such as 2026-12-31")
            return None
        return found if found.tzinfo else found.replace(tzinfo=UTC)
