"""Loads statements into a table piece by piece for the comparison, and deletes them after it."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.loyalty import StatementEntry
from catalog.importing.records import ImportFileError, RowError
from catalog.importing.sheets import header_names, rows
from catalog.importing.values import Cells
from loyalty_portal.fastpath.sql import insert
from redemption.models import StatementLine

PIECE = 1000  # entries held in memory
SHOWN_ERRORS = 50
FORGOTTEN = timedelta(days=1)  # rows left by a killed process are deleted after this time

# The contract's names. In a header, spaces may replace the underscores.
COLUMNS = ("transaction_id", "type", "account_id", "points", "reference", "created_at")
# Columns that a file may omit.
ORIGINAL, PURPOSE = "original_transaction_id", "kind"
KINDS = ("debit", "credit")

# The lines of a batch on this company's account, or with the id of one of its transactions.
LINES = """
    SELECT l.place, l.entry AS id, l.kind, l.account, l.points, l.reference, l.original, l.at
    FROM redemption_statementline l
    WHERE l.batch = %(batch)s AND (l.account = %(account)s OR EXISTS (
        SELECT 1 FROM loyalty_transaction t
        WHERE t.external_transaction_id = l.entry AND t.company_id = ANY(%(companies)s::uuid[])))
"""


class StatementFileError(Exception):
    """An uploaded statement has errors. `wrong` has the first SHOWN_ERRORS of them, by row."""

    def __init__(self, sentence: str, errors: list[RowError], wrong: int) -> None:
        super().__init__(sentence)
        self.errors = errors
        self.wrong = wrong


def keep(batch: UUID, entries: Iterable[StatementEntry]) -> int:
    """Store the entries under `batch` and return their number. Errors of `entries` are raised."""
    StatementLine.objects.filter(read_at__lt=Now() - FORGOTTEN).delete()
    told, number = iter(entries), 0
    while piece := list(islice(told, PIECE)):
        insert([_line(batch, number + place, entry) for place, entry in enumerate(piece, 1)])
        number += len(piece)
    if number > PIECE:
        # New rows have no statistics yet, so the planner would expect only a few.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE redemption_statementline")
    return number


def forget(batch: UUID) -> None:
    StatementLine.objects.filter(batch=batch).delete()


@transaction.atomic
def keep_file(batch: UUID, path: Path) -> int:
    """Store the rows of a spreadsheet (CSV or XLSX) with COLUMNS, and return their number.

    Raises StatementFileError when any row is wrong; then nothing is stored.
    """
    errors: list[RowError] = []
    wrong = 0

    def right() -> Iterator[StatementEntry]:
        nonlocal wrong
        for cells, entry in _read(path):
            if entry is not None:
                if not entry.is_theirs:
                    yield entry
                continue
            wrong += 1
            errors.extend(cells.errors[: SHOWN_ERRORS - len(errors)])

    try:
        number = keep(batch, right())
    except ImportFileError as error:
        raise StatementFileError(str(error), [], 0) from error
    if wrong:
        raise StatementFileError(_("Some rows are wrong; nothing was compared."), errors, wrong)
    if not number:
        raise StatementFileError(_("There are no rows below the header."), [], 0)
    return number


def _read(path: Path) -> Iterator[tuple[Cells, StatementEntry | None]]:
    lines = rows(path)
    header = header_names(next(lines, (0, []))[1])
    lacking = [name for name in COLUMNS if name.replace("_", " ") not in header]
    if lacking:
        raise ImportFileError(_("These columns are missing: %s.") % ", ".join(lacking))
    names = [name for name in (*COLUMNS, ORIGINAL, PURPOSE) if name.replace("_", " ") in header]
    places = {name: header.index(name.replace("_", " ")) for name in names}
    for number, line in lines:
        told = {name: line[at] if at < len(line) else "" for name, at in places.items()}
        cells = Cells(number, told)
        yield cells, _entry(cells)


def _entry(cells: Cells) -> StatementEntry | None:
    """Convert a row. Returns None when it is invalid; the cells then hold the errors."""
    kind = cells.text("type", longest=10, required=True).lower()
    if kind and kind not in KINDS:
        cells.error("type", f"{kind!r} is neither debit nor credit")
    points = cells.whole("points", low=1)
    if points is None and not any(error.field == "points" for error in cells.errors):
        cells.error("points", "is missing")
    at = cells.time("created_at")
    if at is None and not any(error.field == "created_at" for error in cells.errors):
        cells.error("created_at", "is missing")
    entry = StatementEntry(
        transaction_id=cells.text("transaction_id", longest=100, required=True),
        kind=kind,
        account_id=cells.text("account_id", longest=100, required=True),
        points=points or 0,
        reference=cells.text("reference", longest=255),
        original_transaction_id=cells.text(ORIGINAL, longest=100) or None,
        balance_after=0,
        created_at=at,  # type: ignore[arg-type] # without it the row has an error
        purpose=cells.text(PURPOSE, longest=100).lower(),
    )
    return None if cells.errors else entry


def _line(batch: UUID, place: int, entry: StatementEntry) -> StatementLine:
    return StatementLine(
        batch=batch,
        place=place,
        entry=entry.transaction_id,
        kind=entry.kind,
        account=entry.account_id,
        points=entry.points,
        reference=entry.reference,
        original=entry.original_transaction_id or "",
        at=entry.created_at,
    )
