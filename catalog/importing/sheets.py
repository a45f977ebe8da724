"""Reads spreadsheets as streams of rows: CSV of any usual dialect and encoding, and XLSX.

The table may start below title rows, or on a later sheet of a workbook.
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
HEADER_WITHIN = 30  # non-empty rows
OLD_EXCEL = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# How files begin that people give a name such as products.csv.
OTHERS = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"%PDF-": "a PDF file",
}
READABLE = "CSV, XLSX and JSON can be read."


@dataclass(frozen=True, slots=True)
class Table:
    """The table of products in a file: its header, and the rows below it.

    `sheet` is "" in a CSV file. `header` holds normalized names (`header_names`).
    """

    sheet: str
    row: int
    header: list[str]
    lines: Iterator[Row]

    @property
    def remark(self) -> Remark | None:
        """A note about which sheet and row was taken as the header; None if it is the
        obvious one.
        """
        if self.sheet:
            return Remark(self.row, f"taken as the header, of the sheet {self.sheet!r}")
        return Remark(self.row, "taken as the header") if self.row > 1 else None


def find_table(path: Path, fits: Callable[[list[str]], bool]) -> Table | None:
    """Find the first table whose header satisfies `fits`. Returns None when there is none.

    The header must be among the first HEADER_WITHIN rows of a sheet.
    """
    trouble = None
    for sheet, lines in _sheets(path):
        try:
            for number, cells in islice(lines, HEADER_WITHIN):
                if fits(header := header_names(cells)):
                    return Table(sheet, number, header, lines)
        except ImportFileError as error:
            trouble = trouble or error  # another delimiter or sheet may still be readable
    if trouble:
        raise trouble
    return None


def beginnings(path: Path) -> Iterator[tuple[str, Row]]:
    """Yield the sheet name and the first rows of each sheet, for describing an unknown file."""
    for sheet, lines in _sheets(path):
        for row in islice(lines, HEADER_WITHIN):
            yield sheet, row
        if not sheet:
            return


def rows(path: Path) -> Iterator[Row]:
    """The non-empty rows of the first sheet, with the row numbers of a spreadsheet."""
    return next(lines for _, lines in _sheets(path))


def _sheets(path: Path) -> Iterator[tuple[str, Iterator[Row]]]:
    """Yield each sheet of a workbook, hidden sheets last. A CSV file is tried with each
    delimiter.
    """
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
    """Detect the encoding: UTF-16 by its mark, then UTF-8, else Windows-1252, which never fails."""
    with path.open("rb") as file:
        start = file.read(8)
        if start == OLD_EXCEL:
            raise ImportFileError("This is an old workbook (.xls). Save it as .xlsx or CSV.")
        for beginning, kind in OTHERS.items():
            if start.startswith(beginning):
                raise ImportFileError(f"This is no workbook and no text: it is {kind}. {READABLE}")
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        file.seek(0)
        fits = True
        while piece := file.read(PIECE):
            if b"\x00" in piece:
                raise ImportFileError(
                    "This is no workbook and no text: it has NUL bytes in it. If its name ends in "
                    f".xlsx, it is damaged. {READABLE}"
                )
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                fits = False
    return "utf-8-sig" if fits else "cp1252"


def _outside(line: str) -> str:
    """The parts of a line outside quotes."""
    return "".join(line.split('"')[::2])


def header_names(cells: Sequence[str]) -> list[str]:
    """Normalize column names for comparison: lower case, single spaces instead of underscores."""
    return [" ".join(cell.replace("_", " ").lower().split()) for cell in cells]
