"""The process that `python -m benchmarks.imports` measures: it imports a file as the back office does.

Prints as JSON the seconds of reading and of writing, and the peak of its memory in MB, at the start
and at the end.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_portal.settings")

import django

django.setup()

from django.db import transaction

from loyalty_portal.data.actor import SYSTEM
from loyalty_portal.jobs.files import give_file
from loyalty_portal.jobs.models import Job
from loyalty_portal.jobs.services import start_job, work_on
from loyalty_portal.jobs.states import JobStatus

CHUNK = 64 * 1024


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read(path: Path) -> Job:
    with transaction.atomic(), path.open("rb") as file:
        job = start_job(kind="catalog.preview_import", parameters={"name": path.name}, by=SYSTEM)
        chunks = iter(lambda: file.read(CHUNK), b"")
        give_file(job=job, name=path.name, content_type="text/csv", chunks=chunks)
    return job


def worked(job: Job) -> float:
    """Work a job to its end, turn after turn. Returns the seconds that it took."""
    began = time.perf_counter()
    while work_on(job.pk):
        pass
    job.refresh_from_db()
    if job.status != JobStatus.DONE:
        raise SystemExit(f"{job.kind}: {job.status} {job.problem}")
    return time.perf_counter() - began


def main(path: Path) -> None:
    first = peak()
    preview = read(path)
    reading = worked(preview)
    asked = {"preview": str(preview.pk), "skip_bad_rows": False, "name": path.name}
    job = start_job(kind="catalog.import", parameters=asked, by=SYSTEM)
    writing = worked(job)
    told = {"reading": reading, "writing": writing, "first": first, "peak": peak()}
    print(json.dumps({**told, "created": job.result["created"]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
