"""Bringing a file into the catalogue: all of it or, when a row is wrong, nothing.

Where somebody says so, wrong rows are left out, named, and the rest comes in.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.db import connection, reset_queries, transaction

from accounts.models import User
from catalog.importing.formats import READERS
from catalog.importing.judging import misfits
from catalog.importing.records import (
    Found,
    ImportFileError,
    Record,
    Remark,
    RowError,
    Skipped,
    Terms,
)
from catalog.models import ProductType
from catalog.services import (
    Change,
    ProductData,
    Retired,
    choose_cards,
    compare_products,
    retire_products,
    save_products,
    superseded,
)

BATCH = 1000  # records held in memory, and written, at a time
KEPT_ERRORS = 200
KEPT_CHANGES = 50
KEPT_REMARKS = 200
# Given pieces by new product's id (None: not counted), inside the transaction.
StockTaker = Callable[[Mapping[UUID, int | None]], None]


@dataclass(slots=True)
class ImportOutcome:
    """What an import did or, dry, would do.

    `wrong`, `changed` and `remarked` count all errors, changes and remarks; `errors`, `changes`
    and `remarks` hold some, `errors` all of them where wrong rows are left out. `left_out` counts
    the rows that have such errors.
    """

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    stocked: int = 0
    wrong: int = 0
    left_out: set[int] = field(default_factory=set)
    skip_bad_rows: bool = False
    remarked: int = 0
    remarks: list[Remark] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    retired: list[Retired] = field(default_factory=list)
    skus: dict[str, tuple[int, str]] = field(default_factory=dict)  # row and SKU by its capitals
    sources: dict[str, bool] = field(default_factory=dict)  # whether it is a family, by source

    @property
    def refused(self) -> bool:
        """Whether nothing may be written."""
        return self.wrong > 0 and not (self.skip_bad_rows and self.skus)

    @property
    def rows(self) -> int:
        return self.created + self.changed + self.unchanged


def import_file(
    *,
    path: Path,
    format_name: str,
    terms: Terms,
    dry_run: bool,
    skip_bad_rows: bool,
    take_stock: StockTaker,
    progress: Callable[[ImportOutcome], None],
    by: User | None,
) -> ImportOutcome:
    """Write all of the file's products in one transaction, or only say what that would do.

    Stock is handed to `take_stock` for physical products that are new; what is on the shelf
    later is counted there, not in a file. Raises ImportFileError when the file cannot be read.
    `skip_bad_rows`: wrong rows are left out instead of stopping all.
    """
    outcome = ImportOutcome(skip_bad_rows=skip_bad_rows)
    families: set[UUID] = set()
    with transaction.atomic():
        if not dry_run:
            _one_at_a_time()
        for batch in _batches(READERS[format_name](path, terms), outcome):
            good = _judged(batch, outcome)
            if outcome.refused:
                continue  # read on for further errors, write no more
            if dry_run:
                _foresee(good, outcome)
            else:
                families |= _write(good, outcome, take_stock, by)
            reset_queries()
            progress(outcome)
        if outcome.refused:
            transaction.set_rollback(True)
        else:
            families |= _retire(outcome, dry_run=dry_run, by=by)
            choose_cards(families=families)  # now that their stock is known
    return outcome


def _one_at_a_time() -> None:
    """Two imports at once would find the same SKU missing and the same address free."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('catalog.importing'))")


def _batches(found: Found, outcome: ImportOutcome) -> Iterator[list[Record]]:
    """The records, BATCH at a time; errors, repeats and what is skipped go to the outcome."""

    def records() -> Iterator[Record]:
        for one in found:
            if isinstance(one, Skipped):
                outcome.skipped += 1
            elif isinstance(one, Remark):
                outcome.remarked += 1
                outcome.remarks += [one][: KEPT_REMARKS - len(outcome.remarks)]
            elif isinstance(one, RowError):
                _note(outcome, one)
            elif (key := one.data.sku.upper()) in outcome.skus:
                _note(outcome, RowError(one.row, "sku", _repeated(one.data, *outcome.skus[key])))
            else:
                outcome.skus[key] = (one.row, one.data.sku)
                yield one

    reader = records()
    while batch := list(islice(reader, BATCH)):
        yield batch
    if not outcome.skus and not outcome.wrong:
        raise ImportFileError("The file has no products.")


def _repeated(data: ProductData, row: int, sku: str) -> str:
    made = ", made of the name since the row has none," if data.sku_is_ours else ""
    if sku == data.sku:
        return f"{sku!r}{made} is in row {row} already"
    return f"{data.sku!r}{made} differs from {sku!r} in row {row} by capitals only"


def _judged(batch: list[Record], outcome: ImportOutcome) -> list[Record]:
    """Those that the catalogue can take; errors of the others go to the outcome."""
    wrong = misfits(batch)
    for error in wrong:
        _note(outcome, error)
    rows = {error.row for error in wrong}
    good = [record for record in batch if record.row not in rows]
    for record in good:
        if ":" in record.data.source:  # one product of a shop
            several = bool(record.data.family)
            outcome.sources[record.data.source] = (
                outcome.sources.get(record.data.source, False) or several
            )
    return good


def _retire(outcome: ImportOutcome, *, dry_run: bool, by: User | None) -> set[UUID]:
    """Switch off what the file has in another form now; the families that it touches."""
    families: set[UUID] = set()
    sources = list(outcome.sources.items())
    for start in range(0, len(sources), BATCH):
        gone = [
            each
            for each in superseded(sources=dict(sources[start : start + BATCH]))
            if each.sku.upper() not in outcome.skus
        ]
        outcome.retired += gone
        if not dry_run:
            retire_products(products=gone, by=by)
        families |= {each.family_id for each in gone if each.family_id}
    return families


def _note(outcome: ImportOutcome, error: RowError) -> None:
    outcome.wrong += 1
    outcome.left_out.add(error.row)
    if outcome.skip_bad_rows or len(outcome.errors) < KEPT_ERRORS:
        outcome.errors.append(error)


def _foresee(batch: list[Record], outcome: ImportOutcome) -> None:
    comparison = compare_products(products=[record.data for record in batch])
    new = {data.sku for data in comparison.created}
    outcome.created += len(new)
    outcome.unchanged += comparison.unchanged
    outcome.stocked += sum(_counts(record) and record.data.sku in new for record in batch)
    outcome.new += [data.sku for data in comparison.created][: KEPT_CHANGES - len(outcome.new)]
    _keep(outcome, comparison.changed)


def _write(
    batch: list[Record], outcome: ImportOutcome, take_stock: StockTaker, by: User | None
) -> set[UUID]:
    """Save a batch and have the stock of its new products taken; the families it touched."""
    saved = save_products(products=[record.data for record in batch], by=by)
    outcome.created += len(saved.created)
    outcome.unchanged += saved.unchanged
    _keep(outcome, saved.changed)
    stock = {
        saved.created[record.data.sku]: record.stock.pieces
        for record in batch
        if record.data.sku in saved.created and record.stock and _counts(record)
    }
    outcome.stocked += len(stock)
    if stock:
        take_stock(stock)
    return saved.families


def _keep(outcome: ImportOutcome, changed: list[Change]) -> None:
    outcome.changed += len(changed)
    outcome.changes += changed[: KEPT_CHANGES - len(outcome.changes)]


def _counts(record: Record) -> bool:
    return record.stock is not None and record.data.product_type == ProductType.PHYSICAL
