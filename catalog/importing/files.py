"""The two files that people write for an import: a filled-in template, and a map of columns."""

import csv
from collections.abc import Mapping
from pathlib import Path

from openpyxl import Workbook
from openpyxl.utils import get_column_letter

from catalog.importing.portal import NEEDED, OPTIONAL
from catalog.importing.records import ImportFileError, Their

COLUMNS = tuple(name.replace(" ", "_") for name in (*NEEDED, *OPTIONAL))
AS_TEXT = "@"  # the number format "text" of a spreadsheet, which leaves 00456 and 1/2 as typed
ROWS_AS_TEXT = 1_000
LARGEST_MAP = 100_000  # bytes
EXPLAINED = {
    "sku": "Needed. Up to 100 characters; finds the product again.",
    "name": "Needed. Up to 255 characters.",
    "product_type": "Needed. PHYSICAL or VIRTUAL.",
    "category": "Needed. Made when it is new.",
    "description": "Text or HTML.",
    "points_cost": "Whole points. This or price is needed.",
    "price": "In your currency, with --points-per-unit.",
    "brand": "",
    "validity": "How long it is valid, such as: 3 years from the day it arrives.",
    "usable_at": "Where it can be used, such as: in all shops, and online.",
    "delivery_days": "A whole number: working days until it arrives, at most.",
    "terms": "Plain text: what the recipient must know.",
    "family": "Products of one family are one card.",
    "family_code": "Finds the family whatever its name. Empty: made of the name.",
    "options": "What its variants differ by, such as Size / Colour.",
    "variant": "What sets it apart in its family, such as M / Red. Rows are shown in their order.",
    "variant_position": "A whole number. Empty: in the order of the rows.",
    "image_url": "",
    "minimum_tier": "BRONZE, SILVER, GOLD or PLATINUM. Empty: BRONZE.",
    "available_from": "A date such as 2026-12-31.",
    "available_until": "A date such as 2026-12-31.",
    "is_active": "yes or no. Empty: yes.",
    "stock": "A whole number, or: uncounted. Empty: out of stock until it is counted.",
}


def write_template(path: Path) -> None:
    """Write a file with our column names and no rows: XLSX if the path ends so, else CSV."""
    if path.suffix.lower() not in {".csv", ".xlsx"}:
        raise ImportFileError("The template's name must end in .csv or .xlsx.")
    if path.exists():
        raise ImportFileError(f"{path} is there already.")
    if path.suffix.lower() == ".csv":
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerow(COLUMNS)
    else:
        _workbook().save(path)


def _workbook() -> Workbook:
    book = Workbook()
    sheet = book.create_sheet("Products", 0)
    del book["Sheet"]
    sheet.append(COLUMNS)
    sheet.freeze_panes = "A2"
    for number in range(1, len(COLUMNS) + 1):
        sheet.column_dimensions[get_column_letter(number)].width = 18
        for row in range(2, ROWS_AS_TEXT + 2):
            sheet.cell(row, number).number_format = AS_TEXT
    notes = book.create_sheet("What to write")
    notes.column_dimensions["B"].width = 80
    for name in COLUMNS:
        notes.append([name, EXPLAINED[name]])
    return book


def read_map(path: Path) -> Mapping[str, Their]:
    """Read a column map: lines such as `sku = Article no.`.

    The left side is a column of ours. The right side is the file's column or, in quotes, a value
    that all rows get. Raises ImportFileError for a line that cannot be read.
    """
    try:
        if path.stat().st_size > LARGEST_MAP:
            raise ImportFileError("The map is too large to be one.")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ImportFileError("The map must be a text file in UTF-8.") from error
    columns: dict[str, Their] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, their = _mapped(number, line)
            if name in columns:
                raise ImportFileError(f"Line {number} of the map names {name} again.")
            columns[name] = their
    _must_suffice(columns)
    return columns


def _mapped(number: int, line: str) -> tuple[str, Their]:
    ours, equals, theirs = line.partition("=")
    name = " ".join(ours.replace("_", " ").lower().split())
    theirs = theirs.strip()
    if not equals or not theirs:
        raise ImportFileError(
            f"Line {number} of the map is not like: sku = the name of their column."
        )
    if name not in NEEDED + OPTIONAL:
        raise ImportFileError(
            f"Line {number} of the map: {ours.strip()!r} is no column of ours. Ours are "
            f"{', '.join(COLUMNS)}."
        )
    if len(theirs) > 1 and theirs[0] == theirs[-1] == '"':
        return name, Their(constant=theirs[1:-1])
    return name, Their(column=theirs)


def _must_suffice(columns: Mapping[str, Their]) -> None:
    missing = [name.replace(" ", "_") for name in NEEDED if name not in columns]
    if not {"points cost", "price"} & set(columns):
        missing.append("points_cost (or price)")
    if missing:
        raise ImportFileError(
            f"The map lacks {', '.join(missing)}. Where all rows have the same, write it in "
            f'quotes: product_type = "PHYSICAL".'
        )
    theirs = [their.column for their in columns.values() if their.column]
    twice = sorted({name for name in theirs if theirs.count(name) > 1})
    if twice:
        raise ImportFileError(f"The map uses a column of theirs twice: {', '.join(twice)}.")
    if not theirs:
        raise ImportFileError("The map names no column of theirs.")
