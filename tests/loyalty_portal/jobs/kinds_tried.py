"""Kinds of jobs for the tests: each slice leaves one row, in a table where rows may come twice."""

import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.translation import gettext_lazy

from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.jobs.files import append, made_file
from loyalty_portal.jobs.kinds import JobRefusedError, Kind, Step
from loyalty_portal.jobs.models import Job
from loyalty_portal.jobs.services import start_job

HERE = "tests.loyalty_portal.jobs.kinds_tried"
NAMES = {
    "tests.count": f"{HERE}.COUNT",
    "tests.uncount": f"{HERE}.UNCOUNT",
    "tests.file": f"{HERE}.FILE",
    "tests.fail": f"{HERE}.FAIL",
    "tests.refuse": f"{HERE}.REFUSE",
}


def leave_a_row(n: int) -> None:
    until = timezone.now() + timedelta(days=1)
    Session.objects.create(session_key=uuid.uuid4().hex, session_data=f"n={n}", expire_date=until)


def rows_left() -> Counter[str]:
    return Counter(
        Session.objects.filter(session_data__startswith="n=").values_list("session_data", flat=True)
    )


def once_each(total: int) -> Counter[str]:
    return Counter(f"n={n}" for n in range(total))


def count(job: Job) -> Iterator[Step]:
    total = job.parameters["total"]
    for n in range(job.state.get("next", 0), total):
        leave_a_row(n)
        yield Step({"next": n + 1}, done=n + 1, total=total, result={"last": n})


def uncount(job: Job) -> Iterator[Step]:
    gone, _ = Session.objects.filter(session_data__startswith="n=").delete()
    yield Step({}, done=gone, total=gone)


def write_file(job: Job) -> Iterator[Step]:
    file = made_file(job=job, name="Größen 1.csv", content_type="text/csv; charset=utf-8")
    for n in range(job.state.get("next", 0), 3):
        append(file, f"line {n}\n".encode())
        yield Step({"next": n + 1}, done=n + 1, total=3)


def fail(job: Job) -> Iterator[Step]:
    if job.done == 0:
        yield Step({}, done=1)
    raise ValueError("never told to anybody")


def refuse(job: Job) -> Iterator[Step]:
    yield Step({}, done=1)
    raise JobRefusedError("The file has no products.")


PERMISSION = "catalog.change_product"  # one that the group “catalogue” has
COUNT = Kind(
    gettext_lazy("Count"),
    PERMISSION,
    count,
    tell=lambda job: [f"Counted {job.done}."],
    undo="tests.uncount",
)
UNCOUNT = Kind(gettext_lazy("Count back"), PERMISSION, uncount)
FILE = Kind(gettext_lazy("Write a file"), PERMISSION, write_file)
FAIL = Kind(gettext_lazy("Fail"), PERMISSION, fail)
REFUSE = Kind(gettext_lazy("Refuse"), PERMISSION, refuse)


def begin(kind: str, **parameters: Any) -> Job:
    return start_job(kind=f"tests.{kind}", parameters=parameters, by=SYSTEM)
