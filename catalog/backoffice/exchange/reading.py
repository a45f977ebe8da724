"""The job that reads a file and says what an import would do. It writes no product.

Its rows are kept for the import, so what is written is what was shown. The memory that it needs
does not grow with the file: also whether a SKU came before is asked of the database.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.importing.formats import READERS, detect_format
from catalog.importing.judging import misfits
from catalog.importing.records import (
    ImportFileError,
    Record,
    Remark,
    RowError,
    Skipped,
    Stock,
    Terms,
)
from catalog.models import ImportRow
from catalog.services import ProductData, compare_products, missing_categories
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.jobs.files import on_disk
from loyalty_portal.jobs.kinds import JobRefusedError, Kind, Step
from loyalty_portal.jobs.models import FileRole, Job
from loyalty_portal.jobs.states import JobStatus

SLICE = 1_000  # rows of a transaction
KEPT = 200  # errors, changes and remarks that the job's own page shows
NEW, CHANGED, WRONG = "new", "changed", "wrong"  # what is shown of a preview, page by page
ON_A_PAGE = 100
ENDED_EARLY = (JobStatus.STOPPED, JobStatus.FAILED)  # an import that may be started again
_TIMES = ("available_from", "available_until")

Item = Record | RowError | Skipped | Remark


def read_file(job: Job) -> Iterator[Step]:
    """Read and judge the rows slice by slice. A process that takes the job up reads over what was
    read before.
    """
    told = {**_nothing(), **job.result}
    done = job.done
    with on_disk(job.files.get(role=FileRole.GIVEN)) as path:
        try:
            items = _items(path, job, told)
            for _over in islice(items, done):
                pass
            while batch := list(islice(items, SLICE)):
                _take(job, batch, told)
                done += len(batch)
                yield Step({}, done=done, result=told)
        except ImportFileError as error:
            raise JobRefusedError(str(error)) from error
    if not told["good"] and not told["wrong"]:
        raise JobRefusedError(_("The file has no products."))
    yield Step({}, done=done, total=done, result=told)


def _nothing() -> dict[str, Any]:
    """The result before the first row. Its lists are new each time, because a job adds to them."""
    return {
        "format": "", "created": 0, "changed": 0, "unchanged": 0, "skipped": 0, "wrong": 0,
        "good": 0, "new": [], "changes": [], "remarks": [], "categories": {},
    }  # fmt: skip


def _items(path: Path, job: Job, told: dict[str, Any]) -> Iterator[Item]:
    told["format"] = job.parameters.get("format") or detect_format(path)
    worth = job.parameters.get("points_per_unit")
    return READERS[told["format"]](path, Terms(Decimal(worth) if worth else None))


def _take(job: Job, batch: list[Item], told: dict[str, Any]) -> None:
    """Store a batch, and add to the result what it would do."""
    records = [item for item in batch if isinstance(item, Record)]
    errors = [item for item in batch if isinstance(item, RowError)]
    told["skipped"] += sum(isinstance(item, Skipped) for item in batch)
    remarks = [str(item) for item in batch if isinstance(item, Remark)]
    told["remarks"] += remarks[: KEPT - len(told["remarks"])]
    records, repeated = _once(job, records)
    wrong = misfits(records)
    rows = {error.row for error in wrong}
    good = [record for record in records if record.row not in rows]
    errors += [*repeated, *wrong]
    foreseen = _foresee(good, told)
    ImportRow.objects.bulk_create([*map(_stored(job, foreseen), good), *map(_wrong(job), errors)])
    told["good"] += len(good)
    told["wrong"] += len(errors)


def _once(job: Job, records: list[Record]) -> tuple[list[Record], list[RowError]]:
    """The records whose SKU is new in this file, and errors for the others."""
    before = dict(
        ImportRow.objects.filter(
            job=job, key__in=[record.data.sku.upper() for record in records]
        ).values_list("key", "row")
    )
    fresh, errors = [], []
    for record in records:
        key = record.data.sku.upper()
        if key in before:
            says = f"{record.data.sku!r} is in row {before[key]} already, capitals aside"
            errors.append(RowError(record.row, "sku", says))
        else:
            before[key] = record.row
            fresh.append(record)
    return fresh, errors


def _stored(job: Job, foreseen: Mapping[str, tuple[str, list[str] | None]]) -> Any:
    def row(record: Record) -> ImportRow:
        data = asdict(record.data)
        for name in _TIMES:
            data[name] = data[name].isoformat() if data[name] else None
        stock = [record.stock.pieces] if record.stock else None
        what, differences = foreseen.get(record.data.sku, (None, None))
        return ImportRow(
            job=job,
            row=record.row,
            key=record.data.sku.upper(),
            source=record.data.source if ":" in record.data.source else "",
            several=bool(record.data.family),
            data={"product": data, "stock": stock},
            foreseen=what,
            differences=differences,
        )

    return row


def _wrong(job: Job) -> Any:
    def row(error: RowError) -> ImportRow:
        return ImportRow(job=job, row=error.row, key="", field=error.field, trouble=error.text)

    return row


def record_of(row: ImportRow) -> Record:
    """The record that a row was stored from."""
    stored: dict[str, Any] = row.data or {}
    data = dict(stored["product"])
    data["unsaid"] = tuple(data.get("unsaid", ()))  # rows of the version before have none
    for name in _TIMES:
        data[name] = _moment(data[name])
    stock = stored["stock"]
    return Record(row.row, ProductData(**data), Stock(*stock) if stock else None)


def _moment(text: str | None) -> datetime | None:
    return parse_datetime(text) if text else None


def _foresee(good: list[Record], told: dict[str, Any]) -> dict[str, tuple[str, list[str] | None]]:
    """Add to the result what the rows would do. Returns it by SKU, of those that do anything."""
    comparison = compare_products(products=[record.data for record in good])
    told["created"] += len(comparison.created)
    told["changed"] += len(comparison.changed)
    told["unchanged"] += comparison.unchanged
    new = [[data.sku, data.name] for data in comparison.created[: KEPT - len(told["new"])]]
    told["new"] += new
    changes = comparison.changed[: KEPT - len(told["changes"])]
    told["changes"] += [[change.data.sku, change.data.name, change.columns] for change in changes]
    add_categories(told, good)
    created = {data.sku: (NEW, None) for data in comparison.created}
    return created | {each.data.sku: (CHANGED, each.columns) for each in comparison.changed}


def add_categories(told: dict[str, Any], good: list[Record]) -> None:
    """Add to the result the names of the categories, by slug, that saving would create."""
    missing = missing_categories(products=[record.data for record in good])
    for slug in list(missing)[: KEPT - len(told["categories"])]:
        told["categories"].setdefault(slug, missing[slug].category)


def tell_categories(told: dict[str, Any]) -> list[str]:
    """A sentence that names the categories that are new, if there are any."""
    names = told.get("categories", {}).values()  # earlier jobs have none
    return [_("New categories: %(names)s.") % {"names": ", ".join(names)}] if names else []


def tell_counts(told: dict[str, Any], said: str) -> list[str]:
    """The counts of a preview or an import in one sentence, which begins with `said`."""
    counts = _(
        "%(said)s %(created)s created, %(changed)s changed, %(unchanged)s unchanged, "
        "%(skipped)s rows skipped, %(wrong)s errors."
    )
    names = ("created", "changed", "unchanged", "skipped", "wrong")
    return [counts % {"said": said, **{name: grouped(told[name]) for name in names}}]


def _tell(job: Job) -> list[str]:
    if not job.result:
        return []
    return [*tell_counts(job.result, _("Would be:")), *tell_categories(job.result)]


def import_of(read: Job) -> Job | None:
    """The import that was started from a preview; None without one."""
    key = read.state.get("import")
    return Job.objects.filter(pk=key).first() if key else None


def rows_shown(read: Job, what: str, after: int) -> list[ImportRow]:
    """A page of the new or changed products of a preview, or of its wrong rows, and one more."""
    rows = ImportRow.objects.filter(job=read, pk__gt=after).order_by("pk")
    rows = rows.filter(data__isnull=True) if what == WRONG else rows.filter(foreseen=what)
    return list(rows[: ON_A_PAGE + 1])


def _facts(job: Job) -> dict[str, object]:
    wrong = ImportRow.objects.filter(job=job, data__isnull=True).order_by("pk")
    imported = import_of(job)
    return {
        "errors": wrong[:KEPT],
        "more_errors": max(0, job.result.get("wrong", 0) - KEPT),
        "more_changes": max(0, job.result.get("changed", 0) - KEPT),
        "more_new": max(0, job.result.get("created", 0) - KEPT),
        "imported": imported,
        "may_import": imported is None or imported.status in ENDED_EARLY,
    }


PREVIEW = Kind(
    title=gettext_lazy("Preview of an import"),
    permission="catalog.import_products",
    work=read_file,
    tell=_tell,
    template="admin/catalog/_import_preview.html",
    facts=_facts,
)
