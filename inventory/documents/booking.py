"""The job that writes a long list as one document, slice by slice.

The list was checked before. What cannot be written any more when its turn comes is left out, told
on the job's page, and put into a file that can be corrected and read again.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy, ngettext

from accounts.models.readers import reader_of
from inventory.documents.lists import ListLine
from inventory.documents.services import Checked, Seen, booked_before, document_of, write_some
from inventory.models import DocumentKind, StockDocument
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.jobs.files import append, give_file, made_file, pieces_of
from loyalty_portal.jobs.kinds import JobRefusedError, Kind, Step
from loyalty_portal.jobs.models import FileRole, Job
from loyalty_portal.jobs.services import start_job
from loyalty_portal.jobs.spreadsheets import TYPES, CsvWriter

NAME = "inventory.book_list"
SLICE = 500  # lines of a transaction; it holds the locks of so many products
KEPT = 200  # lines left out that the page names; the file has all


def book_later(
    *,
    kind: DocumentKind,
    entries: Sequence[ListLine],
    seen: Seen,
    token: uuid.UUID,
    reference: str,
    reason: str,
    by: Actor,
) -> Job:
    """Have a list written as one document, whose token is the job's key. A second call with the
    same token returns the same job. The caller nudges it.

    Raises JobRefusedError when the actor may not, or the token is of another document.
    """
    asked = {"kind": kind, "reference": reference, "reason": reason}
    with transaction.atomic():
        job = start_job(kind=NAME, parameters=asked, by=by, token=token)
        if not job.files.exists():
            give_file(
                job=job,
                name="list.tsv",
                content_type="text/tab-separated-values; charset=utf-8",
                chunks=[_as_file(entries, seen)],
            )
    return job


def _as_file(entries: Sequence[ListLine], seen: Seen) -> bytes:
    """The list with the number that the page showed on each shelf."""
    lines = (f"{each.sku}\t{each.text}\t{seen.get(each.key, '')}\n" for each in entries)
    return "".join(lines).encode()


def _given(job: Job) -> tuple[list[ListLine], dict[str, int]]:
    file = job.files.get(role=FileRole.GIVEN)
    lines: list[ListLine] = []
    seen: dict[str, int] = {}
    for row, line in enumerate(b"".join(pieces_of(file)).decode().split("\n")[:-1], 1):
        sku, text, shown = line.split("\t")
        lines.append(ListLine.of(row, sku, text))
        if shown:
            seen[lines[-1].key] = int(shown)
    return lines, seen


def _book(job: Job) -> Iterator[Step]:
    lines, seen = _given(job)
    document, is_new = document_of(
        kind=DocumentKind(job.parameters["kind"]),
        token=job.pk,
        reference=job.parameters["reference"],
        reason=job.parameters["reason"],
        by=Actor.person(job.person) if job.person else SYSTEM,
    )
    if not is_new and not job.state:
        raise JobRefusedError(booked_before(document))
    told_so_far: dict[str, Any] = {"booked": 0, "left": 0, "left_out": [], **job.result}
    at = job.state.get("at", 0)
    while some := lines[at : at + SLICE]:
        with reader_of(job.by).reading():  # they read why a line was left out
            left = write_some(document=document, entries=some, seen=seen)
        _leave_out(job, left, told_so_far)
        told_so_far["booked"] += len(some) - len(left)
        at += len(some)
        yield Step({"at": at}, done=at, total=len(lines), result=told_so_far)


def _leave_out(job: Job, left: Sequence[Checked], told: dict[str, Any]) -> None:
    """Name lines that were left out, and put them into the file."""
    if not left:
        return
    file = made_file(job=job, name="left-out.csv", content_type=TYPES["csv"])
    writer = CsvWriter({})
    if not file.pieces:
        append(file, writer.begin(["sku", "quantity", "why"]))
    append(file, writer.rows([[each.entry.sku, each.entry.pieces, each.why] for each in left]))
    named = [[each.entry.row, each.entry.sku, each.why] for each in left]
    told["left"] += len(left)
    told["left_out"] = [*told["left_out"], *named][:KEPT]


def _tell(job: Job) -> list[str]:
    booked, left = job.result.get("booked", 0), job.result.get("left", 0)
    sentences = [
        ngettext("%(n)s line is booked.", "%(n)s lines are booked.", booked)
        % {"n": grouped(booked)}
    ]
    if left:
        told = ngettext(
            "%(n)s line was left out, because the stock had changed after the list was checked.",
            "%(n)s lines were left out, because the stock had changed after the list was checked.",
            left,
        )
        sentences.append(told % {"n": grouped(left)})
    return sentences


def _facts(job: Job) -> Mapping[str, object]:
    return {"document": StockDocument.objects.filter(token=job.pk).first()}


BOOK_LIST = Kind(
    title=gettext_lazy("Book a list of stock"),
    permission="inventory.move_stock",
    work=_book,
    tell=_tell,
    template="admin/inventory/_booked.html",
    facts=_facts,
)
