"""Spreadsheets as streams of rows: CSV of any usual dialect and encoding, and XLSX.

The table need not be what the file begins with: titles may stand above it, other sheets before.
"""

import codecs
import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from catalog.importing.records import ImportFileError, Remark
from catalog.importing.workbooks import LONGEST_CELL, Row, is_xlsx, read_sheet, sheet_names

PIECE = 1 << 20  # bytes
DELIMITERS = ",;\t|"
HEADER_WITHIN = 30  # rows that are not empty
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
READABLE = "CSV, XLSX and JSON can be read."


@dataclass(frozen=True, slots=True)
class Table:
    """Where in a file the products are: the header, and the rows that follow it.

    `sheet` is "" in a CSV file; `header` holds names for comparing, see `header_names`.
    """

    sheet: str
    row: int
    header: list[str]
    lines: Iterator[Row]

    @property
    def remark(self) -> Remark | None:
        """Which sheet and row was taken, where that is not plain."""
        if self.sheet:
            return Remark(self.row, f"taken as the header, of the sheet {self.sheet!r}")
        return Remark(self.row, "taken as the header") if self.row > 1 else None


def find_table(path: Path, fits: Callable[[list[str]], bool]) -> Table | None:
    """The first table whose header `fits`, within the first rows of a sheet; None without one."""
    trouble = None
    for sheet, lines in _sheets(path):
        try:
            for number, cells in islice(lines, HEADER_WITHIN):
                if fits(header := header_names(cells)):
                    return Table(sheet, number, header, lines)
        except ImportFileError as error:
            trouble = trouble or error  # not of the other ways of reading it, perhaps
    if trouble:
        raise trouble
    return None


def beginnings(path: Path) -> Iterator[tuple[str, Row]]:
    """The first rows of each sheet, as they would be read, for telling what is there."""
    for sheet, lines in _sheets(path):
        for row in islice(lines, HEADER_WITHIN):
            yield sheet, row
        if not sheet:
            return


def rows(path: Path) -> Iterator[Row]:
    """The first sheet's rows that are not empty, numbered as a spreadsheet counts them."""
    return next(lines for _, lines in _sheets(path))


def _sheets(path: Path) -> Iterator[tuple[str, Iterator[Row]]]:
    """Each sheet of a workbook, the hidden ones last; or a CSV file by each separator."""
    if is_xlsx(path):
        for sheet in sheet_names(path):
            yield sheet, _filled(read_sheet(path, sheet))
        return
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline()
    for delimiter in sorted(DELIMITERS, key=_outside(first).count, reverse=True):
        yield "", _filled(_csv(path, encoding, delimiter))


def _filled(found: Iterator[Row]) -> Iterator[Row]:
    return ((number, cells) for number, cells in found if any(cell.strip() for cell in cells))


def _csv(path: Path, encoding: str, delimiter: str) -> Iterator[Row]:
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding=encoding, newline="") as file:
        number = 0
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise ImportFileError(f"row {number}: {_explained(str(error))}") from error
            yield number, cells


def _explained(error: str) -> str:
    if "field limit" in error:
        return f"a cell is longer than {LONGEST_CELL:,} characters. Is a quote left open?"
    if "end of data" in error:
        return "the file ends inside quotes. Is a quote left open?"
    return f"the quotes are not right ({error}). A quote inside quotes is written twice."


def _encoding(path: Path) -> str:
    """By its mark or by trying: UTF-8, else Windows-1252, in which any byte is a character."""
    with path.open("rb") as file:
        start = file.read(8)
        if start == OLD_EXCEL:
            raise ImportFileError("This is an old workbook (.xls). Save it as .xlsx or CSV.")
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        file.seek(0)
        fits = True
        while piece := file.read(PIECE):
            if b"\x00" in piece:
                raise ImportFileError(
                    f"This is not a text file: it has NUL bytes in it. {READABLE}"
                )
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                fits = False
    return "utf-8-sig" if fits else "cp1252"


def _outside(line: str) -> str:
    """What of a line stands outside quotes."""
    return "".join(line.split('"')[::2])


def header_names(cells: Sequence[str]) -> list[str]:
    """Column names for comparing: lower case, one kind of blank."""
    return [" ".join(cell.replace("_", " ").lower().split()) for cell in cells]
