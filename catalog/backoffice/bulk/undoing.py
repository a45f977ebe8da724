"""The job that undoes another one's changes of products.

A column gets its former value only where it still has the value that the job set. What somebody
changed since stays, and is told.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.backoffice.bulk.changes import values
from catalog.backoffice.bulk.recording import locked, write
from catalog.models import Category, Family, Product, ProductEdit
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.jobs.kinds import JobRefusedError, Kind, Step
from loyalty_portal.jobs.models import Job

SLICE = 500
KEPT = 200  # products that the result names


def undo_edits(job: Job) -> Iterator[Step]:
    """Restore what the job `job.undo_of` changed, in the order in which it did."""
    if job.undo_of is None:
        raise JobRefusedError(_("It does not say what to undo."))
    edits = ProductEdit.objects.filter(job=job.undo_of).order_by("pk")
    told = {"restored": 0, "skipped": [], "skips": 0, **job.result}
    total = job.total if job.total is not None else edits.count()
    last, done = job.state.get("last", 0), job.done
    while rows := list(edits.filter(pk__gt=last)[:SLICE]):
        by_product = {edit.product_id: edit for edit in rows}
        products = locked(list(by_product))
        known = _known(rows)
        changed = []
        for product in products:
            back, lost = _restored(product, by_product[product.pk], known)
            if back:
                changed.append((product, back))
            if lost:
                told["skips"] += 1
                told["skipped"] += [[product.sku, _why(lost)]][: KEPT - len(told["skipped"])]
        write(job, changed)
        told["restored"] += len(changed)
        last, done = rows[-1].pk, done + len(rows)
        yield Step({"last": last}, done=done, total=total, result=told)


def _restored(
    product: Product, edit: ProductEdit, known: Mapping[str, set[str]]
) -> tuple[dict[str, Any], list[str]]:
    """The columns to restore, and those that somebody changed since."""
    now = values(product, edit.after)
    back, lost = {}, []
    for column, before in edit.before.items():
        if now[column] == before:
            continue
        gone = column in known and before is not None and before not in known[column]
        if now[column] != edit.after[column] or gone:
            lost.append(column.removesuffix("_id"))
        else:
            back[column] = before
    return back, lost


def _known(edits: list[ProductEdit]) -> dict[str, set[str]]:
    """The former categories and families that still exist."""
    models: dict[str, Any] = {"category_id": Category, "family_id": Family}
    return {
        column: {
            str(key)
            for key in model.objects.filter(
                pk__in={edit.before[column] for edit in edits if edit.before.get(column)}
            ).values_list("pk", flat=True)
        }
        for column, model in models.items()
    }


def _why(columns: list[str]) -> str:
    return _("was changed since, and stays: %(columns)s") % {"columns": ", ".join(columns)}


def _tell(job: Job) -> list[str]:
    if not job.result:
        return []
    number, skips = job.result["restored"], job.result["skips"]
    sentences = [
        ngettext(
            "%(n)s product has its former values again.",
            "%(n)s products have their former values again.",
            number,
        )
        % {"n": grouped(number)}
    ]
    if skips:
        says = _("%(n)s were changed by somebody since, and keep that; see below.")
        sentences.append(says % {"n": grouped(skips)})
    return [*sentences, *_left(job)]


def _left(job: Job) -> list[str]:
    """Name the categories that the undone import made. They stay, since products may be in them."""
    made = job.undo_of.result.get("categories", {}) if job.undo_of else {}
    names = Category.objects.filter(slug__in=made).order_by("name").values_list("name", flat=True)
    if not made or not names:
        return []
    says = _(
        "The import made these categories, and they stay: %(names)s. Delete those that "
        "no product needs in the list of categories."
    )
    return [says % {"names": ", ".join(names)}]


def _kind(title: Any, permission: str) -> Kind:
    return Kind(title, permission, undo_edits, tell=_tell, template="admin/catalog/_skipped.html")


UNDO_EDIT = _kind(gettext_lazy("Undo an edit of products"), "catalog.bulk_edit")
UNDO_IMPORT = _kind(gettext_lazy("Undo an import"), "catalog.import_products")
