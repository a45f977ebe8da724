"""The job that imports the rows that another job has read and shown."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import BoolOr
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from catalog.backoffice.bulk.changes import values
from catalog.backoffice.exchange.reading import (
    add_categories,
    record_of,
    tell_categories,
    tell_counts,
)
from catalog.importing.judging import misfits
from catalog.importing.records import Record
from catalog.models import ImportRow, Product, ProductEdit, ProductType
from catalog.services import Saved, choose_cards, retire_products, save_products, superseded
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.jobs.kinds import JobRefusedError, Kind, Step
from loyalty_portal.jobs.models import Job
from loyalty_portal.jobs.states import JobStatus

# Products of a transaction. Bounded, so that its locks, its memory and the checks that it defers
# do not grow with the file.
SLICE = 500
KEPT = 200  # rows left out that the page names
# The columns that an import may write.
_COLUMNS = (
    "name", "product_type", "points_cost", "description", "brand", "validity", "usable_at",
    "delivery_days", "terms", "variant", "variant_position", "image_url", "minimum_tier",
    "available_from", "available_until", "is_active", "source", "category_id", "family_id",
)  # fmt: skip

# Receives the pieces by new product id (None: not counted) and the actor.
StockTaker = Callable[[Mapping[UUID, int | None], Actor], None]


def import_rows(job: Job, *, take_stock: StockTaker) -> Iterator[Step]:
    """Import slice by slice, then switch off what its shop has in another form now."""
    read = Job.objects.get(pk=job.parameters["preview"])
    if read.status != JobStatus.DONE:
        raise JobRefusedError(_("The file was not read to its end."))
    if read.result["wrong"] and not job.parameters["skip_bad_rows"]:
        raise JobRefusedError(_("Rows are wrong, so nothing was imported."))
    by = Actor.person(job.person) if job.person else SYSTEM
    told, total = {**_nothing(), **job.result}, read.result["good"]
    good = ImportRow.objects.filter(job=read, data__isnull=False).order_by("pk")
    last, done = job.state.get("last", 0), job.done
    while rows := list(good.filter(pk__gt=last)[:SLICE]):
        _one_at_a_time()
        _write(job, [record_of(row) for row in rows], told, take_stock, by)
        last, done = rows[-1].pk, done + len(rows)
        yield Step({"last": last}, done=done, total=total, result=told)
    source = job.state.get("source", "")
    while True:
        source = _retire(job, read, source, told, by)
        if not source:
            return
        yield Step({"last": last, "source": source}, done=done, total=total, result=told)


def _nothing() -> dict[str, Any]:
    """The result before the first slice. Its list is new each time, because a job adds to it."""
    return {
        "created": 0, "changed": 0, "unchanged": 0, "skipped": [], "skips": 0, "retired": 0,
        "categories": {},
    }  # fmt: skip


def _one_at_a_time() -> None:
    """Take the lock of all imports for the transaction: two could create the same SKU."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('catalog.importing'))")


def _write(
    job: Job, records: list[Record], told: dict[str, Any], take_stock: StockTaker, by: Actor
) -> None:
    """Save a slice. Rows that the catalogue cannot take any more are left out and told."""
    wrong = misfits(records)
    rows = {error.row for error in wrong}
    records = [record for record in records if record.row not in rows]
    add_categories(told, records)
    saved = save_products(products=[record.data for record in records], by=by)
    _record(job, saved)
    stock = {
        saved.created[record.data.sku]: record.stock.pieces
        for record in records
        if record.stock
        and record.data.sku in saved.created
        and record.data.product_type == ProductType.PHYSICAL
    }
    if stock:
        take_stock(stock, by)
    choose_cards(families=saved.families)
    told["created"] += len(saved.created)
    told["changed"] += len(saved.changed)
    told["unchanged"] += saved.unchanged
    told["skips"] += len(wrong)
    told["skipped"] += [[str(error.row), error.text] for error in wrong][
        : KEPT - len(told["skipped"])
    ]


def _record(job: Job, saved: Saved) -> None:
    """Keep what each product had before. A new one is switched off when the import is undone."""
    edits = []
    for before, now in saved.written:
        if before is None:
            old, new = {"is_active": False}, {"is_active": now.is_active}
        else:
            was, has = values(before, _COLUMNS), values(now, _COLUMNS)
            old = {name: value for name, value in was.items() if value != has[name]}
            new = {name: has[name] for name in old}
        if old != new:
            edits.append(ProductEdit(job=job, product=now, before=old, after=new))
    ProductEdit.objects.bulk_create(edits)


def _retire(job: Job, read: Job, after: str, told: dict[str, Any], by: Actor) -> str:
    """Switch off products that their shop has in another form now. Returns the last source that was
    looked at; "" at the end.
    """
    rows = ImportRow.objects.filter(job=read, source__gt=after).exclude(source="")
    found = dict(
        rows.order_by("source").values_list("source").annotate(several=BoolOr("several"))[:SLICE]
    )
    gone = superseded(sources=found)
    keys = ImportRow.objects.filter(job=read, key__in=[each.sku.upper() for each in gone])
    there = set(keys.values_list("key", flat=True))
    gone = [each for each in gone if each.sku.upper() not in there]
    retire_products(products=gone, by=by)
    ProductEdit.objects.bulk_create(
        ProductEdit(
            job=job,
            product=Product(pk=each.id),
            before={"is_active": True},
            after={"is_active": False},
        )
        for each in gone
    )
    choose_cards(families={each.family_id for each in gone if each.family_id})
    told["retired"] += len(gone)
    return max(found, default="")


def _tell(job: Job) -> list[str]:
    if not job.result:
        return []
    told = {**job.result, "skipped": job.result["skips"], "wrong": 0}
    sentences = [*tell_counts(told, _("Imported:")), *tell_categories(told)]
    if job.result["retired"]:
        says = _("%(n)s switched off, which their shop has in another form now.")
        sentences.append(says % {"n": grouped(job.result["retired"])})
    return sentences


def import_kind(*, take_stock: StockTaker) -> Kind:
    """The kind of an import, with the function of a higher room that takes the stock."""
    return Kind(
        title=gettext_lazy("Import products"),
        permission="catalog.import_products",
        work=partial(import_rows, take_stock=take_stock),
        tell=_tell,
        template="admin/catalog/_skipped.html",
        undo="catalog.undo_import",
    )
