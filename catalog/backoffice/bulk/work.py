"""The job that edits many products at once."""

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from catalog.backoffice.bulk.changes import edited
from catalog.backoffice.bulk.recording import edited_beside, locked, write
from catalog.backoffice.bulk.selection import next_ids, products_of
from catalog.models import Product
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.jobs.kinds import Kind, Step
from loyalty_portal.jobs.models import Job

SLICE = 500  # products of a transaction
KEPT = 200  # skipped products that the result names


def edit_products(job: Job) -> Iterator[Step]:
    """Edit the selection slice by slice. What two jobs do to one product happens one after the
    other, each to the value that the other left.
    """
    found, edit = products_of(job.parameters["selection"], job.person), job.parameters["edit"]
    told = {"changed": 0, "same": 0, "skipped": [], "skips": 0, "beside": 0, **job.result}
    total = job.total if job.total is not None else found.count()
    last, done = job.state.get("last"), job.done
    while ids := next_ids(found, last, SLICE):
        rows = locked(ids)
        still = set(found.filter(pk__in=ids).values_list("pk", flat=True))
        rows = [row for row in rows if row.pk in still]  # others may have changed them meanwhile
        told["beside"] += edited_beside(job, rows)
        _edit(job, rows, edit, told)
        last, done = str(ids[-1]), done + len(ids)
        yield Step({"last": last}, done=done, total=max(total, done), result=told)


def _edit(job: Job, rows: list[Product], edit: dict[str, Any], told: dict[str, Any]) -> None:
    changed = []
    for row in rows:
        new = edited(row, edit)
        if new.skipped:
            told["skips"] += 1
            if len(told["skipped"]) < KEPT:
                told["skipped"].append([row.sku, new.skipped])
        elif new.columns:
            changed.append((row, new.columns))
        else:
            told["same"] += 1
    write(job, changed)
    told["changed"] += len(changed)


def _tell(job: Job) -> list[str]:
    told = job.result
    if not told:
        return []
    number = told["changed"]
    sentences = [
        ngettext("%(n)s product changed.", "%(n)s products changed.", number)
        % {"n": grouped(number)}
    ]
    more = (
        (told["same"], _("%(n)s had these values already.")),
        (told["skips"], _("%(n)s were skipped; the first ones are listed below.")),
        (told["beside"], _("%(n)s were edited by another job at the same time; see its page too.")),
    )
    return sentences + [says % {"n": grouped(n)} for n, says in more if n]


BULK_EDIT = Kind(
    title=gettext_lazy("Edit products"),
    permission="catalog.bulk_edit",
    work=edit_products,
    tell=_tell,
    template="admin/catalog/_skipped.html",
    undo="catalog.undo_edit",
)
