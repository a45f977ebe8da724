"""Reads lists of products and numbers, as typed, pasted, scanned, or from a file.

A list is a text with a line for each product: its SKU, a tab, the number of pieces. A spreadsheet
pastes such lines.
"""

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from catalog.importing.records import ImportFileError
from catalog.importing.sheets import find_table, header_names, rows
from catalog.importing.texts import is_protected, plain
from catalog.importing.workbooks import OddCell
from loyalty_portal.data.one_line import one_line

SKU_LENGTH = 100  # characters; as the column
_SKU_NAMES = frozenset({"sku", "article", "article no.", "article number", "item", "product"})
_NUMBER_NAMES = frozenset({"quantity", "qty", "pieces", "count", "counted", "stock", "change"})
_SEPARATORS = " ;,"
_NUMBER = re.compile(r"[-+\u2212]?\w+")
_WHOLE = re.compile(r"[-+\u2212]?[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class ListLine:
    """One line of a list. `row` counts from 1; `pieces` is None where `text` is no whole number."""

    row: int
    sku: str
    text: str
    pieces: int | None

    @classmethod
    def of(cls, row: int, sku: str, text: str) -> "ListLine":
        found = _WHOLE.fullmatch(text)
        pieces = int(text.replace("\u2212", "-")) if found else None
        return cls(row, sku, text, pieces)

    @property
    def key(self) -> str:
        """What makes two SKUs the same one: capitals aside."""
        return self.sku.upper()


def entries(text: str) -> list[ListLine]:
    """The lines of a list. Empty lines are left out and not counted."""
    lines = (line for line in text.splitlines() if line.strip())
    return [ListLine.of(row, *_parts(line)) for row, line in enumerate(lines, 1)]


def _parts(line: str) -> tuple[str, str]:
    sku, tab, text = line.partition("\t")
    if tab:
        return one_line(sku), one_line(text.partition("\t")[0])
    line = one_line(line)
    at = max(line.rfind(separator) for separator in _SEPARATORS)
    sku, text = line[: max(at, 0)].rstrip(_SEPARATORS), line[at + 1 :]
    return (sku, text) if sku and _NUMBER.fullmatch(text) else (line, "")


def as_text(found: list[ListLine]) -> str:
    """The list as a text again."""
    return "".join(f"{each.sku}\t{each.text}\n" for each in found)


def added(text: str, sku: str, pieces: int) -> str:
    """The list with so many more pieces of a product, in its line if it has one."""
    found, key = entries(text), sku.upper()
    for place, each in enumerate(found):
        if each.key == key and each.pieces is not None:
            found[place] = ListLine.of(each.row, each.sku, str(each.pieces + pieces))
            return as_text(found)
    return as_text([*found, ListLine.of(len(found) + 1, sku, str(pieces))])


@dataclass(frozen=True, slots=True)
class FileRows:
    """The rows of a file, and what is wrong with cells: the row's number and a sentence."""

    rows: list[tuple[str, str]]
    wrong: list[tuple[int, str]]

    @property
    def text(self) -> str:
        return "".join(f"{sku}\t{number}\n" for sku, number in self.rows)


def file_rows(path: Path, *, most: int) -> FileRows:
    """Read a CSV or XLSX file: columns named SKU and quantity, or else its first two columns.

    Raises ImportFileError for a file that cannot be read, or with more than `most` rows.
    """
    table = find_table(path, _fits)
    if table:
        places = _place(table.header, _SKU_NAMES), _place(table.header, _NUMBER_NAMES)
        lines = table.lines
    else:
        places, lines = (0, 1), rows(path)
    found = FileRows([], [])
    for number, cells in islice(lines, most + 1):
        sku, text = (cells[place] if place < len(cells) else "" for place in places)
        for cell in (sku, text):
            if isinstance(cell, OddCell):
                found.wrong.append((number, cell.trouble))
        found.rows.append((_bare(sku), _bare(text)))
    if len(found.rows) > most:
        raise ImportFileError(f"The file has more than {most:,} rows.")
    return found


def _bare(cell: str) -> str:
    """The text of a cell; of ="007", by which spreadsheets keep leading zeros, what it shows."""
    return plain(cell) if is_protected(cell) else one_line(cell)


def _fits(header: list[str]) -> bool:
    return bool(_SKU_NAMES & set(header)) and bool(_NUMBER_NAMES & set(header))


def _place(header: list[str], names: frozenset[str]) -> int:
    return next(place for place, name in enumerate(header_names(header)) if name in names)
