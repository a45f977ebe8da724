"""Starts, works, stops and undoes jobs. Nothing here runs inside a request but the start.

A job is worked by whoever holds its lease (loyalty_portal/data/leases.py). The lease is checked in
the transaction of each slice, so two processes that believe to hold it never do a slice twice.
"""

import logging
import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pghistory
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext as _

from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.leases import backoff
from loyalty_portal.data.trouble import is_away, is_trouble
from loyalty_portal.jobs.kinds import JobRefusedError, Step, kind_of, kinds
from loyalty_portal.jobs.models import Job, JobFile, JobPiece
from loyalty_portal.jobs.permissions import may_act_on, may_start
from loyalty_portal.jobs.states import JOB, JobStatus

logger = logging.getLogger(__name__)

LEASE = 120.0  # seconds from the last slice until another process may take the job up
# Seconds that a worker spends on one job before it takes the next. Shorter than the time that a
# process has to end after SIGTERM.
TURN = 15.0
MOST_FAILURES = 5  # tries of one slice; the last one ends the job


class LeaseLostError(Exception):
    """The lease was lost to another process; roll this slice back."""


def start_job(
    *,
    kind: str,
    parameters: Mapping[str, Any],
    by: Actor,
    undo_of: Job | None = None,
    token: uuid.UUID | None = None,
) -> Job:
    """Queue a job. The caller nudges `jobs.tasks.work_on`; the sweeper finds it anyway. A second
    call with the same token returns the same job.

    `parameters` must be JSON, without secrets. Raises JobRefusedError when the actor may not.
    """
    if not may_start(by, kind):
        raise JobRefusedError(_("You have no permission for this."))
    asked = {"kind": kind, "parameters": dict(parameters), "by_id": by.user_id, "undo_of": undo_of}
    with transaction.atomic():
        job, is_new = Job.objects.get_or_create(pk=token or uuid7(), defaults=asked)
        if is_new:
            record(TrailKind.JOB, by=by, about=job, what=kind)
    if (job.kind, job.by_id) != (kind, by.user_id):
        raise JobRefusedError(_("This form was used before. Open the page again."))
    return job


def ask_to_stop(*, job: Job, by: Actor) -> None:
    """Have the job stop after the slice that it is at. What was done so far stays.

    Raises JobRefusedError when the job is over, or the actor may not.
    """
    if not may_act_on(by, job):
        raise JobRefusedError(_("You have no permission for this."))
    running = Job.objects.filter(pk=job.pk).exclude(status__in=sorted(JOB.final))
    if not running.update(
        stop_asked_at=Coalesce("stop_asked_at", Now()),
        stopped_by=Coalesce("stopped_by", by.person_id),
        next_attempt_at=Now(),
    ):
        raise JobRefusedError(_("It is over already."))


def undo_job(*, job: Job, by: Actor) -> Job:
    """Queue the job that undoes another. Raises JobRefusedError when that is not possible."""
    kind = kind_of(job)
    if kind is None or not kind.undo:
        raise JobRefusedError(_("This kind of work cannot be undone."))
    if not may_act_on(by, job):
        raise JobRefusedError(_("You have no permission for this."))
    if not job.is_over:
        raise JobRefusedError(_("It is still at work. Stop it first."))
    if files_are_gone(job):
        raise JobRefusedError(_("It is too long ago: what it changed is not kept any more."))
    try:
        with transaction.atomic():
            return start_job(kind=kind.undo, parameters={}, by=by, undo_of=job)
    except IntegrityError as error:
        raise JobRefusedError(_("It has been undone already.")) from error


def files_are_gone(job: Job) -> bool:
    """Whether files and former values of the job have been deleted, or are about to be."""
    return Job.objects.filter(pk=job.pk, ended_at__lte=Now() - _kept()).exists()


def forget_files() -> int:
    """Delete the files of jobs that ended long ago. The jobs stay. Returns how many files."""
    old = JobFile.objects.filter(job__ended_at__lte=Now() - _kept(), pieces__gt=0)
    gone = 0
    for file in old.order_by("pk")[:100]:
        with transaction.atomic():
            JobPiece.objects.filter(file=file).delete()
            gone += JobFile.objects.filter(pk=file.pk).update(pieces=0)
    return gone


def _kept() -> timedelta:
    return timedelta(days=settings.JOB_FILES_KEPT_DAYS)


# --- The work ------------------------------------------------------------------------------------


def work_on(job_id: uuid.UUID) -> bool:
    """Work a due job for a turn. Returns False when another process has it, or it is not due.

    It is due again at once if it has not ended. Raises only what is not the job's fault: the
    database being away.
    """
    token = Job.objects.lease(job_id, seconds=LEASE)
    if token is None:
        return False
    job = Job.objects.select_related("by", "undo_of").get(pk=job_id)
    try:
        _begin(job, token)
        _turn(job, token)
    except LeaseLostError:
        logger.warning("jobs: %s is at work elsewhere", job_id)
    except JobRefusedError as error:
        _end(job, token, JobStatus.FAILED, problem=str(error))
    except Exception as error:
        if is_away(error):
            raise
        _failed(job, token, error)
    return True


def _begin(job: Job, token: uuid.UUID) -> None:
    """Record that the job is at work, if it was not before."""
    if job.status == JobStatus.QUEUED:
        _write(job, token, **job.moving(JobStatus.RUNNING), started_at=Now())
        job.status = JobStatus.RUNNING
    if kind_of(job) is None:
        raise JobRefusedError(_("This version of the portal does not know this kind of work."))


def _turn(job: Job, token: uuid.UUID) -> None:
    """Work slices until the job ends or its turn is over."""
    until = time.monotonic() + TURN
    slices = kinds()[job.kind].work(job)
    while time.monotonic() < until:
        if Job.objects.filter(pk=job.pk, stop_asked_at__isnull=False).exists():
            return _end(job, token, JobStatus.STOPPED)
        if not _slice(job, token, slices):
            return None
    Job.objects.release(job.pk, token, retry_in=0.0)
    return None


def _slice(job: Job, token: uuid.UUID, slices: Iterator[Step]) -> bool:
    """Work one slice and record it, in one transaction. False when it was the last."""
    said = {"job": str(job.pk), **({"user": str(job.by_id)} if job.by_id else {})}
    with transaction.atomic(), pghistory.context(**said):
        step = next(slices, None)
        if step is None:
            _end(job, token, JobStatus.DONE)
            return False
        _record(job, token, step)
    job.state, job.done, job.failures = dict(step.state), step.done, 0
    job.total, job.result = step.total, dict(step.result)
    return True


def _record(job: Job, token: uuid.UUID, step: Step) -> None:
    _write(
        job,
        token,
        state=dict(step.state),
        done=step.done,
        total=step.total,
        result=dict(step.result),
        failures=0,
        lease_until=Now() + timedelta(seconds=LEASE),
    )


def _write(job: Job, token: uuid.UUID, **changes: Any) -> None:
    """Write columns while the lease is held. Raises LeaseLostError when it is not."""
    if not Job.objects.filter(pk=job.pk, lease_token=token).update(**changes):
        raise LeaseLostError


def _end(job: Job, token: uuid.UUID, status: JobStatus, *, problem: str = "") -> None:
    ended = job.moving(status)
    if not Job.objects.release(job.pk, token, retry_in=None, problem=problem, **ended):
        raise LeaseLostError
    job.status = status


def _failed(job: Job, token: uuid.UUID, error: Exception) -> None:
    """Count a failed try, which waits longer each time; after the last one the job has failed.

    Losing against another transaction is no failure.
    """
    lost = is_trouble(error)
    failures = job.failures if lost else job.failures + 1
    logger.warning("jobs: %s %s failed", job.kind, job.pk, exc_info=not lost)
    if failures < MOST_FAILURES:
        wait = backoff(failures + 1)
        Job.objects.release(job.pk, token, retry_in=wait, failures=failures)
        return
    told = _(
        "It failed %(times)s times at the same place (%(error)s), so it was given up. What was "
        "done before stays. Tell the developers."
    )
    problem = told % {"times": failures, "error": type(error).__name__}
    Job.objects.filter(pk=job.pk, lease_token=token).update(failures=failures)
    _end(job, token, JobStatus.FAILED, problem=problem)
