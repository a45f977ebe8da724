"""Reads XLSX workbooks as streams of rows. Each cell is the text that people see in it.

A cell that shows no typed text, such as a date where a size was meant, becomes an OddCell, which
also says what is wrong and where.
"""

import re
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from openpyxl import load_workbook

from catalog.importing.records import ImportFileError

LONGEST_CELL = 131_072  # characters
MB = 1_000_000
LARGEST_XLSX = 100 * MB  # bytes, unpacked; 150,000 rows have about 50 MB
LARGEST_HELD = 25 * MB  # bytes, unpacked, of all parts except sheets; these are held in memory
LAST_ROW = 1_048_576  # the most rows a sheet of any program has
ZIP_MAGIC = b"PK\x03\x04"
_FORMULA = re.compile(rb"<(?:\w+:)?f[\s/>]")
_ZEROS = re.compile(r'(?:0|"[^"]*"|\\.|[- ])+')
_PIECES = re.compile(r'0|"[^"]*"|\\.|[- ]')

Row = tuple[int, list[str]]


class OddCell(str):
    """The text of a cell that is probably wrong; `trouble` explains why.

    `is_date`: the cell is a date or a time, which date columns accept.
    """

    trouble: str
    is_date: bool

    @classmethod
    def of(cls, text: str, trouble: str, *, is_date: bool = False) -> "OddCell":
        cell = cls(text)
        cell.trouble, cell.is_date = trouble, is_date
        return cell


def is_xlsx(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == ZIP_MAGIC


def sheet_names(path: Path) -> list[str]:
    """The names of the worksheets, hidden ones last."""
    with _opened(path) as (_, book):
        return [
            sheet.title
            for sheet in sorted(book.worksheets, key=lambda one: one.sheet_state != "visible")
        ]


@contextmanager
def _opened(path: Path, *, formulas: bool = False) -> Iterator[tuple[BinaryIO, Any]]:
    """Open the workbook. Yields the file and openpyxl's workbook; ImportFileError if damaged."""
    # Pass a file, not a path: openpyxl checks a path's extension, and an upload has none.
    with path.open("rb") as file:
        try:
            _weigh(file)
            book = load_workbook(file, read_only=True, data_only=not formulas)
        except ImportFileError:
            raise
        except Exception as error:  # openpyxl raises many kinds of errors for a damaged file
            raise _damaged() from error
        with closing(book):
            yield file, book


def _damaged() -> ImportFileError:
    return ImportFileError("The workbook cannot be opened; is it damaged?")


def read_sheet(path: Path, name: str) -> Iterator[Row]:
    """Yield the rows of one sheet with their numbers, including empty rows."""
    with _opened(path) as (file, book):
        sheet = book[name]
        try:
            sheet.reset_dimensions()  # some programs write wrong dimensions
            formulas = _formulas(path, name) if _has_formulas(file, sheet) else None
            for number, cells in enumerate(sheet.iter_rows(), 1):
                if number > LAST_ROW:
                    raise ImportFileError(f"The sheet has more than {LAST_ROW:,} rows.")
                asked = next(formulas, {}) if formulas else {}
                yield number, [_text(cell, asked) for cell in cells]
        except ImportFileError:
            raise
        except Exception as error:  # a damaged part may also show only here
            raise _damaged() from error


def _has_formulas(file: BinaryIO, sheet: Any) -> bool:
    """Whether the sheet has formulas, so that a second pass that reads them is needed."""
    with zipfile.ZipFile(file) as packed, packed.open(sheet._worksheet_path) as part:  # noqa: SLF001 - openpyxl has no name for it in public
        last = b""
        while piece := part.read(1 << 20):
            if _FORMULA.search(last + piece):
                return True
            last = piece[-40:]
    return False


def _formulas(path: Path, name: str) -> Iterator[dict[str, str]]:
    """Yield for each row its formulas by cell coordinate, such as {"B2": "=A2*2"}."""
    with _opened(path, formulas=True) as (_, book):
        again = book[name]
        again.reset_dimensions()
        for cells in again.iter_rows():
            yield {
                cell.coordinate: str(getattr(cell.value, "text", cell.value))
                for cell in cells
                if cell.data_type == "f"
            }


def _weigh(file: BinaryIO) -> None:
    """Refuse a workbook that would fill the memory, before unpacking it.

    The sizes come from the archive's directory; no part unpacks to more than its size there.
    """
    with zipfile.ZipFile(file) as packed:
        parts = packed.infolist()
    held = sum(part.file_size for part in parts if not part.filename.startswith("xl/worksheets/"))
    total = sum(part.file_size for part in parts)
    if total > LARGEST_XLSX or held > LARGEST_HELD:
        raise ImportFileError(
            f"The workbook is too large: it unpacks to {total / MB:,.0f} MB. Save it as CSV."
        )


def _text(cell: Any, formulas: dict[str, str]) -> str:
    """The text that people see in the cell, or an OddCell."""
    value = cell.value
    match value:
        case None:
            # Openpyxl gives no coordinate to a cell that is not in the file.
            place = getattr(cell, "coordinate", "")
            return _valueless(place, formulas) if place in formulas else ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return _number(value, cell.number_format)
        case datetime() | date() | time() | timedelta():
            shown = value.isoformat() if not isinstance(value, timedelta) else str(value)
            trouble = (
                f"the cell {cell.coordinate} is a date or time ({shown}), not a text. If it was "
                "1/2 or such before, set the column to text and type it again"
            )
            return OddCell.of(shown, trouble, is_date=True)
        case _ if cell.data_type == "e":
            return OddCell.of(str(value), f"the cell {cell.coordinate} says {value}")
        case _:
            return str(value)[: LONGEST_CELL + 1]


def _valueless(place: str, formulas: dict[str, str]) -> str:
    trouble = (
        f"the cell {place} is a formula ({formulas[place][:40]}) without a value. Open the file "
        "in a spreadsheet program and save it again, or write the value itself"
    )
    return OddCell.of(formulas[place], trouble)


def _number(value: float, number_format: str) -> str:
    """A number as a spreadsheet shows it, with leading zeros for a format such as 00000."""
    if isinstance(value, float) and not value.is_integer():
        return f"{Decimal(f'{value:.15g}'):f}"
    digits = str(int(value))
    pieces = _zeros(number_format) if value >= 0 else ()
    digits = digits.rjust(pieces.count("0"), "0")
    spare = len(digits) - pieces.count("0")
    shown = ""
    for piece in pieces:
        if piece == "0":
            shown, digits, spare = shown + digits[: spare + 1], digits[spare + 1 :], 0
        else:
            shown += piece
    return shown or digits


@lru_cache(maxsize=256)
def _zeros(number_format: str) -> tuple[str, ...]:
    """Split a format of zeros and fixed texts, such as 000-000, into pieces; () for any other."""
    if not _ZEROS.fullmatch(number_format):
        return ()
    pieces = tuple(
        piece if piece == "0" else piece.strip('"').removeprefix("\\")
        for piece in _PIECES.findall(number_format)
    )
    return pieces if pieces.count("0") > 1 else ()
