"""Texts as cells of CSV files that people only read, in a spreadsheet.

Texts come from people, so none may act as a formula. A spreadsheet takes "00123" for a number and
loses its zeros. A tab before a text keeps it a text, and no formula. A file that is imported again
has another form (loyalty_portal/jobs/spreadsheets.py).
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

BOM = "\ufeff"  # tells a spreadsheet that the file is in UTF-8
CSV_TYPE = "text/csv; charset=utf-8"
_ACTS = r"[=+\-@\t\r\n|%＝＋－＠]"
_BEGINS = re.compile(rf"\s*{_ACTS}")
_SIGNS_OF_NUMBERS = re.compile(r"[\d.,:/\- ]+([eE][+-]?\d+)?")
# Where the list separator is another one, as in German, a cell ends inside the text.
_BEGINS_WITHIN = re.compile(rf"([;\r\n])(?=[^\S\r\n]*{_ACTS})")


def harmless(text: str) -> str:
    """The text for a cell of a CSV: no program takes it for a formula, a number or a date."""
    safe = _BEGINS_WITHIN.sub("\\1\t", text)
    if _BEGINS.match(text) or _like_a_number(text.strip()):
        return f"\t{safe}"
    return safe


def _like_a_number(text: str) -> bool:
    return bool(_SIGNS_OF_NUMBERS.fullmatch(text)) and any(map(str.isdecimal, text))


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV, without the mark of its encoding. Texts are made harmless."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for row in rows:
        writer.writerow([harmless(value) if isinstance(value, str) else value for value in row])
    return out.getvalue()
