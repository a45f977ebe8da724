"""Imports a file of products in one transaction.

A wrong row stops the whole import, unless `skip_bad_rows` is set; then wrong rows are left out and
reported.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.db import connection, reset_queries, transaction

from catalog.importing.formats import READERS
from catalog.importing.judging import misfits, with_own_pictures
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
    missing_categories,
    retire_products,
    save_products,
    superseded,
)
from loyalty_portal.data.actor import Actor

BATCH = 1000  # records held in memory and written at a time
KEPT_ERRORS = 200
KEPT_CHANGES = 50
KEPT_REMARKS = 200
# Receives the pieces by new product id (None: not counted), inside the transaction.
StockTaker = Callable[[Mapping[UUID, int | None]], None]


@dataclass(slots=True)
class ImportOutcome:
    """The result of an import, or of a dry run: what it would have done.

    `wrong`, `changed` and `remarked` count all errors, changes and remarks. The lists `errors`,
    `changes` and `remarks` hold the first ones only; with `skip_bad_rows`, `errors` holds all.
    `left_out` holds the rows with errors.
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
    without_pictures: int = 0
    errors: list[RowError] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    # Of a dry run: the slugs and names of categories that would be created.
    categories: dict[str, str] = field(default_factory=dict)
    retired: list[Retired] = field(default_factory=list)
    # Upper-case SKU: its row, and the SKU as written.
    skus: dict[str, tuple[int, str]] = field(default_factory=dict)
    # Source: whether it is a family in this file.
    sources: dict[str, bool] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether errors forbid writing anything."""
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
    by: Actor,
) -> ImportOutcome:
    """Import all products of a file in one transaction; with `dry_run`, only report the changes.

    Physical products that are new are passed to `take_stock`; the stock of existing products is
    counted in the warehouse and never overwritten from a file. `skip_bad_rows` leaves out wrong
    rows; otherwise one wrong row stops the import. Raises ImportFileError when the file cannot be
    read.
    """
    outcome = ImportOutcome(skip_bad_rows=skip_bad_rows)
    families: set[UUID] = set()
    with transaction.atomic():
        if not dry_run:
            _one_at_a_time()
        for batch in _batches(READERS[format_name](path, terms), outcome):
            good = _judged(batch, outcome)
            if outcome.refused:
                continue  # keep reading to report all errors, but write nothing more
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
            choose_cards(families=families)  # after the stock is known, which the choice depends on
    return outcome


def _one_at_a_time() -> None:
    """Take a lock for the transaction. Two imports at once could both create the same SKU."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('catalog.importing'))")


def _batches(found: Found, outcome: ImportOutcome) -> Iterator[list[Record]]:
    """Yield the records in batches of BATCH. Errors, repeats and skipped rows go to `outcome`."""

    def records() -> Iterator[Record]:
        for one in found:
            if isinstance(one, Skipped):
                outcome.skipped += 1
            elif isinstance(one, Remark):
                _remark(outcome, one)
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
    """Return the records that the catalogue can take; errors of the others go to `outcome`."""
    checked: list[Record] = []
    for one in with_own_pictures(batch):
        if isinstance(one, Record):
            checked.append(one)
        elif isinstance(one, Remark):
            if not outcome.without_pictures:  # once for all rows
                _remark(outcome, one)
            outcome.without_pictures += 1
        else:
            _note(outcome, one)
    wrong = misfits(checked)
    for error in wrong:
        _note(outcome, error)
    rows = {error.row for error in wrong}
    good = [record for record in checked if record.row not in rows]
    for record in good:
        if ":" in record.data.source:  # the source names one product of a shop
            several = bool(record.data.family)
            outcome.sources[record.data.source] = (
                outcome.sources.get(record.data.source, False) or several
            )
    return good


def _retire(outcome: ImportOutcome, *, dry_run: bool, by: Actor) -> set[UUID]:
    """Switch off products that the file now has in another form. Returns their families."""
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


def _remark(outcome: ImportOutcome, remark: Remark) -> None:
    outcome.remarked += 1
    outcome.remarks += [remark][: KEPT_REMARKS - len(outcome.remarks)]


def _note(outcome: ImportOutcome, error: RowError) -> None:
    outcome.wrong += 1
    outcome.left_out.add(error.row)
    if outcome.skip_bad_rows or len(outcome.errors) < KEPT_ERRORS:
        outcome.errors.append(error)


def _foresee(batch: list[Record], outcome: ImportOutcome) -> None:
    products = [record.data for record in batch]
    comparison = compare_products(products=products)
    for slug, data in missing_categories(products=products).items():
        outcome.categories.setdefault(slug, data.category)
    new = {data.sku for data in comparison.created}
    outcome.created += len(new)
    outcome.unchanged += comparison.unchanged
    outcome.stocked += sum(_counts(record) and record.data.sku in new for record in batch)
    outcome.new += [data.sku for data in comparison.created][: KEPT_CHANGES - len(outcome.new)]
    _keep(outcome, comparison.changed)


def _write(
    batch: list[Record], outcome: ImportOutcome, take_stock: StockTaker, by: Actor
) -> set[UUID]:
    """Save a batch and take the stock of its new products. Returns the families that changed."""
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
