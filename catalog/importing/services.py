"""Bringing a file into the catalogue: all of it or, when a row is wrong, nothing."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

from django.db import connection, reset_queries, transaction

from accounts.models import User
from catalog.importing import oscar, portal, reloadly, saleor, shopify, woocommerce
from catalog.importing.documents import is_json, load
from catalog.importing.records import Found, ImportFileError, Record, RowError, Skipped, Terms
from catalog.importing.sheets import header_names, rows
from catalog.models import ProductType
from catalog.services import Change, choose_cards, compare_products, save_products

BATCH = 1000  # records held in memory, and written, at a time
KEPT_ERRORS = 200
KEPT_CHANGES = 50
READERS: Mapping[str, Callable[[Path, Terms], Found]] = {
    "portal": portal.read,
    "shopify": shopify.read,
    "woocommerce": woocommerce.read,
    "reloadly": reloadly.read,
    "saleor": saleor.read,
    "oscar": oscar.read,
}
# Given to the caller as (pieces by new product's id), inside the transaction.
StockTaker = Callable[[Mapping[UUID, int]], None]


@dataclass(slots=True)
class Outcome:
    """What an import did or, dry, would do.

    `wrong` and `changed` count all errors and changes, `errors` and `changes` hold some.
    """

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    stocked: int = 0
    wrong: int = 0
    errors: list[RowError] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.created + self.changed + self.unchanged


def detect_format(path: Path) -> str:
    """The name of the format that the file has, by its beginning; ImportFileError for none."""
    if is_json(path):
        document = load(path)
        for name, module in (("reloadly", reloadly), ("saleor", saleor)):
            if module.fits(document):
                return name
        raise ImportFileError("The JSON file is neither Reloadly's nor Saleor's.")
    _, first = next(rows(path), (0, []))
    if not first:
        raise ImportFileError("The file is empty.")
    header = header_names(first)
    for name, module in (("shopify", shopify), ("woocommerce", woocommerce), ("portal", portal)):
        if module.fits(header):
            return name
    if oscar.fits(first):
        return "oscar"
    raise ImportFileError(
        "The columns are of no known format. Name it with --format, or see docs/importing.md."
    )


def import_file(
    *,
    path: Path,
    format_name: str,
    terms: Terms,
    dry_run: bool,
    take_stock: StockTaker,
    progress: Callable[[Outcome], None],
    by: User | None,
) -> Outcome:
    """Write all of the file's products in one transaction, or only say what that would do.

    Stock is handed to `take_stock` for physical products that are new; what is on the shelf
    later is counted there, not in a file. Raises ImportFileError when the file cannot be read.
    """
    outcome = Outcome()
    families: set[UUID] = set()
    with transaction.atomic():
        if not dry_run:
            _one_at_a_time()
        for batch in _batches(READERS[format_name](path, terms), outcome):
            if outcome.wrong:
                continue  # read on for further errors, write no more
            if dry_run:
                _foresee(batch, outcome)
            else:
                families |= _write(batch, outcome, take_stock, by)
            reset_queries()
            progress(outcome)
        if outcome.wrong:
            transaction.set_rollback(True)
        else:
            choose_cards(families=families)  # now that their stock is known
    return outcome


def _one_at_a_time() -> None:
    """Two imports at once would find the same SKU missing and the same address free."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('catalog.importing'))")


def _batches(found: Found, outcome: Outcome) -> Iterator[list[Record]]:
    """The records, BATCH at a time; errors, repeats and what is skipped go to the outcome."""
    seen: dict[str, int] = {}

    def records() -> Iterator[Record]:
        for one in found:
            if isinstance(one, Skipped):
                outcome.skipped += 1
            elif isinstance(one, RowError):
                _note(outcome, one)
            elif one.data.sku in seen:
                above = f"{one.data.sku!r} is in row {seen[one.data.sku]} already"
                _note(outcome, RowError(one.row, "sku", above))
            else:
                seen[one.data.sku] = one.row
                yield one

    reader = records()
    while batch := list(islice(reader, BATCH)):
        yield batch
    if not seen and not outcome.wrong:
        raise ImportFileError("The file has no products.")


def _note(outcome: Outcome, error: RowError) -> None:
    outcome.wrong += 1
    if len(outcome.errors) < KEPT_ERRORS:
        outcome.errors.append(error)


def _foresee(batch: list[Record], outcome: Outcome) -> None:
    comparison = compare_products(products=[record.data for record in batch])
    new = {data.sku for data in comparison.created}
    outcome.created += len(new)
    outcome.unchanged += comparison.unchanged
    outcome.stocked += sum(_counts(record) and record.data.sku in new for record in batch)
    outcome.new += [data.sku for data in comparison.created][: KEPT_CHANGES - len(outcome.new)]
    _keep(outcome, comparison.changed)


def _write(
    batch: list[Record], outcome: Outcome, take_stock: StockTaker, by: User | None
) -> set[UUID]:
    """Save a batch and have the stock of its new products taken; the families it touched."""
    saved = save_products(products=[record.data for record in batch], by=by)
    outcome.created += len(saved.created)
    outcome.unchanged += saved.unchanged
    _keep(outcome, saved.changed)
    stock = {
        saved.created[record.data.sku]: record.stock or 0
        for record in batch
        if record.data.sku in saved.created and _counts(record)
    }
    outcome.stocked += len(stock)
    if stock:
        take_stock(stock)
    return saved.families


def _keep(outcome: Outcome, changed: list[Change]) -> None:
    outcome.changed += len(changed)
    outcome.changes += changed[: KEPT_CHANGES - len(outcome.changes)]


def _counts(record: Record) -> bool:
    return record.stock is not None and record.data.product_type == ProductType.PHYSICAL
