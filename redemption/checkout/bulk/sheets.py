"""The file of a bulk: its template, and reading the rows of a CSV file or a workbook."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from django.utils.translation import gettext as _

from catalog.importing.records import ImportFileError
from catalog.importing.workbooks import ZIP_MAGIC, read_sheet, sheet_names
from catalog.models import Product
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.jobs.spreadsheets import WRITERS, Cell
from redemption.checkout.pasted import bare, cells_of, named
from redemption.checkout.rows import COLUMNS, label_of
from redemption.saga.steps import RedemptionError

MOST_ROWS = 5_000
LARGEST_FILE = 5_000_000  # bytes
LONGEST_REFERENCE = 90  # characters; " 12/34" may follow
_ALSO = {
    "sku": "sku article-number product-code artikelnummer",
    "product": "product product-name produkt",
    "reference": "reference your-reference order cost-centre bestellung referenz ihre-referenz",
}
_NAMES = {bare(word): column for column, words in _ALSO.items() for word in words.split()}


def header() -> list[str]:
    """The names of the columns, in the reader's language."""
    return ["SKU", _("Product"), _("Reference"), *map(label_of, COLUMNS)]


def sheet(kind: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> bytes:
    """A file of these rows. `kind`: csv or xlsx. No cell begins a formula."""
    writer = WRITERS[kind]({})
    return writer.begin(header) + writer.rows(list(rows)) + writer.end()


def template_rows(products: Iterable[Product]) -> Iterator[list[Cell]]:
    """A row for each product, to which a person is added."""
    for product in products:
        yield [product.sku, product.name, *[""] * (len(COLUMNS) + 1)]


def rows_of(data: bytes) -> list[tuple[int, dict[str, str]]]:
    """The rows of a file with their line numbers, as texts by column: those of a draft, "sku" and
    "reference". A row that names nobody and nothing but a product is left out.

    Raises RedemptionError with a sentence when the file cannot be read as a table of people.
    """
    filled = lines_of(data)
    columns = named(filled[0][1], _NAMES)
    if columns is None or "sku" not in columns:
        raise RedemptionError(
            _(
                "The first line must name the columns, with SKU and name among them. Take our"
                " template."
            )
        )
    rows = [(number, _row(columns, cells)) for number, cells in filled[1:]]
    kept = [(number, row) for number, row in rows if _says_something(row)]
    if not kept:
        raise RedemptionError(_("No row of the file names anybody."))
    if len(kept) > MOST_ROWS:
        facts = {"most": grouped(MOST_ROWS), "count": grouped(len(kept))}
        raise RedemptionError(_("A file has at most %(most)s rows; these are %(count)s.") % facts)
    return kept


def lines_of(data: bytes) -> list[tuple[int, list[str]]]:
    """The lines of a CSV file or a workbook that say something, with their numbers, in cells.

    Raises RedemptionError with a sentence for a file that is empty, too large or damaged.
    """
    if len(data) > LARGEST_FILE:
        raise RedemptionError(too_large())
    lines = list(_workbook(data) if data[:2] == ZIP_MAGIC[:2] else _text(data))
    filled = [(number, cells) for number, cells in lines if any(cells)]
    if not filled:
        raise RedemptionError(_("The file is empty."))
    return filled


def too_large() -> str:
    """The error message for a file over the limit."""
    return _("The file is larger than %(most)s MB. %(rows)s rows need much less.") % {
        "most": LARGEST_FILE // 1_000_000,
        "rows": grouped(MOST_ROWS),
    }


def _row(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    found = {name: cell for name, cell in zip(columns, cells, strict=False) if name}
    if any(cells[len(columns) :]):
        found["beyond"] = "yes"
    return found


def _says_something(row: Mapping[str, str]) -> bool:
    return any(text for name, text in row.items() if name not in {"sku", "product"})


def _workbook(data: bytes) -> Iterator[tuple[int, list[str]]]:
    with tempfile.NamedTemporaryFile() as kept:
        kept.write(data)
        kept.flush()
        path = Path(kept.name)
        try:
            names = sheet_names(path)
            for number, cells in read_sheet(path, names[0]) if names else ():
                if number > MOST_ROWS * 4:
                    return
                yield number, [_unguarded(str(cell)) for cell in cells]
        except ImportFileError as error:
            raise RedemptionError(
                _(
                    "The workbook cannot be opened: it is damaged, or unpacks to more than a"
                    " workbook of people needs. Save it again, or as CSV."
                )
            ) from error


def _unguarded(cell: str) -> str:
    """The cell without spaces around it. A date's time of midnight is no part of it."""
    return cell.strip().removesuffix("T00:00:00")


def _text(data: bytes) -> Iterator[tuple[int, list[str]]]:
    if b"\0" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RedemptionError(_("This is no workbook and no text: it has NUL bytes in it."))
    for encoding in (
        ("utf-16",) if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1252")
    ):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        yield from enumerate(cells_of(text), start=1)
        return
    raise RedemptionError(_("The text of this file cannot be read. Save it as CSV in UTF-8."))
