"""Reads a table of people from text: copied out of a spreadsheet, or the text of a CSV file."""

import csv
import functools
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import override

from loyalty_portal.data.texts.numbers import grouped
from redemption.checkout.rows import COLUMNS, label_of
from redemption.models.cart import MOST_ROWS
from redemption.saga.steps import RedemptionError

DELIMITERS = "\t;,"
# The columns of a table without a first line of names.
BY_MAIL = ("recipient_name", "recipient_email", "quantity", "message", "send_on")
BY_PARCEL = (
    *("recipient_name", "address_line1", "postcode", "city", "country"),
    *("quantity", "message", "recipient_email", "recipient_phone"),
)
# Further names that spreadsheets give to columns.
_ALSO = {
    "quantity": "pieces quantity number count qty stück menge anzahl",
    "recipient_name": "name recipient person full-name empfänger vollständiger-name",
    "recipient_email": "e-mail email mail e-mail-address email-address e-mail-adresse",
    "recipient_phone": "phone telephone mobile telefon telefonnummer",
    "address_line1": "address street address-line-1 address-1 straße strasse adresse anschrift",
    "address_line2": "address-line-2 address-2 adresszusatz",
    "city": "city town ort stadt",
    "region": "state region county bundesland",
    "postcode": "postcode zip zip-code postal-code plz postleitzahl",
    "country": "country land",
    "message": "message text greeting nachricht gruß",
    "send_on": "send-on date day datum versanddatum tag senden-am",
    "asks": "ask ask-them let-them-choose fragen selbst-wählen",
}
_KEPT_AS_TEXT = re.compile(r'="((?:[^"]|"")*)"')  # as spreadsheets and our own files write 007


def columns_for(*, by_mail: bool) -> tuple[str, ...]:
    """The order of the columns of a table without names."""
    return BY_MAIL if by_mail else BY_PARCEL


def read_pasted(text: str, *, by_mail: bool, most: int = MOST_ROWS) -> list[dict[str, str]]:
    """The rows of a pasted table, each as texts by column (rows.COLUMNS). Nothing is checked but
    the form of the table. Its first line may name the columns, in English or German.

    Raises RedemptionError with a sentence when it is no table: empty, a quote that never ends, more
    than `most` rows, more cells than columns.
    """
    return read_lines(cells_of(text), columns=columns_for(by_mail=by_mail), most=most)


def read_lines(
    given: Iterable[Sequence[str]], *, columns: Sequence[str], most: int
) -> list[dict[str, str]]:
    """The same of lines that were split into cells. `columns`: their order without names."""
    lines = [cells for cells in given if any(cells)]
    if not lines:
        raise RedemptionError(_("Paste the rows of your table first."))
    names = named(lines[0])
    if names is not None:
        lines.pop(0)
    if not lines:
        raise RedemptionError(_("The table has names of columns, and no rows below them."))
    if len(lines) > most:
        facts = {"most": grouped(most), "count": grouped(len(lines))}
        told = _("These are %(count)s rows; at most %(most)s fit. Nothing of them was taken.")
        raise RedemptionError(told % facts)
    return [
        _row(number, cells, names or columns, named=names is not None)
        for number, cells in enumerate(lines, start=1)
    ]


def cells_of(text: str) -> list[list[str]]:
    """The cells of each line, without surrounding spaces. Raises RedemptionError for quotes that
    never end.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    first = next((line for line in text.split("\n") if line.strip()), "")
    first = "".join(first.split('"')[::2])  # outside quotes
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [[_plain(cell) for cell in line] for line in reader]
    except csv.Error as error:
        told = _(
            "Line %(line)s of the table cannot be read: is a quotation mark left open? A quotation"
            " mark inside quotation marks is written twice."
        )
        raise RedemptionError(told % {"line": reader.line_num}) from error


def named(cells: Sequence[str], also: Mapping[str, str] | None = None) -> list[str] | None:
    """The column that each cell of a first line names ("" for none of ours); None when the line is
    no such line. `also`: further columns by the names that they may have.
    """
    known = {**_names(), **(also or {})}
    found = [known.get(bare(cell), "") for cell in cells]
    ours = [name for name in found if name]
    if "recipient_name" not in ours and "recipient_email" not in ours:
        return None
    if twice := sorted({name for name in ours if ours.count(name) > 1}):
        told = _("The table has two columns for “%(column)s”.")
        shown = label_of(twice[0]) if twice[0] in COLUMNS else twice[0].upper()
        raise RedemptionError(told % {"column": shown})
    return found


def _row(
    number: int, cells: Sequence[str], columns: Sequence[str], *, named: bool
) -> dict[str, str]:
    if len(cells) > len(columns) and any(cells[len(columns) :]):
        facts = {"row": number, "cells": len(cells), "columns": len(columns)}
        told = _("Row %(row)s has %(cells)s cells, and there are %(columns)s columns.") % facts
        if not named:
            told += " " + _("Let the first line name the columns, or leave further cells out.")
        raise RedemptionError(told)
    return {name: cell for name, cell in zip(columns, cells, strict=False) if name}


def _plain(cell: str) -> str:
    cell = cell.strip()
    kept = _KEPT_AS_TEXT.fullmatch(cell)
    return kept[1].replace('""', '"') if kept else cell


def bare(text: str) -> str:
    """The name of a column as it is compared."""
    return "-".join(text.casefold().replace("_", " ").split())


@functools.cache
def _names() -> dict[str, str]:
    """The columns by the names that a first line may give them."""
    names = {bare(word): column for column, words in _ALSO.items() for word in words.split()}
    for language, _label in settings.LANGUAGES:
        with override(language):
            names |= {bare(label_of(column)): column for column in COLUMNS}
    return names | {bare(column): column for column in COLUMNS}
