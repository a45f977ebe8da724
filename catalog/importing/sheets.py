"""Spreadsheets as streams of rows: CSV of any usual dialect and encoding, and XLSX."""

import codecs
import csv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO

from openpyxl import load_workbook

from catalog.importing.records import ImportFileError

PIECE = 1 << 20  # bytes
LONGEST_CELL = 131_072  # characters
MB = 1_000_000
LARGEST_XLSX = 100 * MB  # bytes, unpacked; 150,000 rows have about 50 MB
LARGEST_HELD = 25 * MB  # of these what is no sheet, such as the table of texts: held whole
DELIMITERS = ",;\t|"
ZIP_MAGIC = b"PK\x03\x04"

Row = tuple[int, list[str]]


def is_xlsx(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == ZIP_MAGIC


def rows(path: Path) -> Iterator[Row]:
    """The rows that are not empty, with their numbers as a spreadsheet counts them."""
    found = _xlsx(path) if is_xlsx(path) else _csv(path)
    return ((number, cells) for number, cells in found if any(cell.strip() for cell in cells))


def _csv(path: Path) -> Iterator[Row]:
    encoding = _encoding(path)
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding=encoding, newline="") as file:
        delimiter = _delimiter(file.readline())
        file.seek(0)
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
        start = file.read(4)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        file.seek(0)
        fits = True
        while piece := file.read(PIECE):
            if b"\x00" in piece:
                raise ImportFileError("This is not a text file: it has NUL bytes in it.")
            try:
                decoder.decode(piece)
            except UnicodeDecodeError:
                fits = False
    return "utf-8-sig" if fits else "cp1252"


def _delimiter(line: str) -> str:
    outside = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=outside.count)


def _xlsx(path: Path) -> Iterator[Row]:
    # Opened here: by a path openpyxl wants a certain ending, and an upload has none.
    with path.open("rb") as file:
        try:
            _weigh(file)
            book = load_workbook(file, read_only=True, data_only=True)
            with closing(book):
                for number, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), 1):
                    yield number, [_cell(cell) for cell in cells]
        except ImportFileError:
            raise
        except Exception as error:  # a damaged one makes it raise anything, at any row
            raise ImportFileError("The workbook cannot be opened; is it damaged?") from error


def _weigh(file: BinaryIO) -> None:
    """Refuse what would fill the memory, before any of it is unpacked.

    The sizes are the file's own words, but no part is unpacked beyond its word.
    """
    with zipfile.ZipFile(file) as packed:
        parts = packed.infolist()
    held = sum(part.file_size for part in parts if not part.filename.startswith("xl/worksheets/"))
    total = sum(part.file_size for part in parts)
    if total > LARGEST_XLSX or held > LARGEST_HELD:
        raise ImportFileError(
            f"The workbook is too large: it unpacks to {total / MB:,.0f} MB. Save it as CSV."
        )


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)[: LONGEST_CELL + 1]


def header_names(cells: Sequence[str]) -> list[str]:
    """Column names for comparing: lower case, one kind of blank."""
    return [" ".join(cell.replace("_", " ").lower().split()) for cell in cells]
