"""Jobs are worked in slices, survive the death of a process, and can be stopped and undone."""

import threading
from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django.utils import timezone

from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.jobs import services
from loyalty_portal.jobs.files import give_file, on_disk, pieces_of
from loyalty_portal.jobs.kinds import JobRefusedError, Kind, Step
from loyalty_portal.jobs.models import Job, JobPiece
from loyalty_portal.jobs.services import (
    MOST_FAILURES,
    ask_to_stop,
    forget_files,
    start_job,
    undo_job,
    work_on,
)
from loyalty_portal.jobs.states import JobStatus
from tests.loyalty_portal.jobs import kinds_tried
from tests.loyalty_portal.jobs.kinds_tried import begin, leave_a_row, once_each, rows_left
from tests.support.staff import staff

pytestmark = pytest.mark.django_db(transaction=True)
PAST = timedelta(hours=1)
COUNTING = kinds_tried.COUNT.title


class Killed(BaseException):
    """What ends a process cannot be caught, and nothing is written after it."""


def again(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def make_due(job: Job) -> None:
    """As if so much time had passed that the lease and every wait are over."""
    Job.objects.filter(pk=job.pk, next_attempt_at__isnull=False).update(
        next_attempt_at=timezone.now() - PAST, lease_until=None
    )


def test_the_sweeper_works_a_job_to_its_end_and_its_row_says_how_far_it_is() -> None:
    job = begin("count", total=3)
    assert job.status == JobStatus.QUEUED
    call_command("sweep", "--once", verbosity=0)
    job = again(job)
    assert (job.status, job.done, job.total, job.result) == (JobStatus.DONE, 3, 3, {"last": 2})
    assert job.started_at
    assert job.ended_at
    assert rows_left() == once_each(3)
    assert work_on(job.pk) is False


def test_a_job_that_needs_more_than_its_turn_is_due_again_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # replaced: each turn ends before its first slice
    monkeypatch.setattr(services, "TURN", 0.0)
    job = begin("count", total=2)
    assert work_on(job.pk)
    assert again(job).status == JobStatus.RUNNING
    assert Job.objects.due().get() == job
    monkeypatch.undo()
    assert work_on(job.pk)
    assert rows_left() == once_each(2)


def die_before_the_record(monkeypatch: pytest.MonkeyPatch, *, at: int) -> None:
    record = services._record

    def dying(job: Job, token: Any, step: Any) -> None:
        if step.done == at:
            raise Killed
        record(job, token, step)

    # replaced: the process dies when the slice has written, and its progress is not recorded yet
    monkeypatch.setattr(services, "_record", dying)


def killed_and_taken_up(monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    with monkeypatch.context() as patch:
        die_before_the_record(patch, at=3)
        with pytest.raises(Killed):
            work_on(job.pk)
    assert work_on(job.pk) is False, "the lease of the dead process still holds"
    make_due(job)
    assert work_on(job.pk)
    assert again(job).status == JobStatus.DONE


def test_a_killed_process_loses_only_its_slice_and_another_goes_on_where_it_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    killed_and_taken_up(monkeypatch, begin("count", total=5))
    assert rows_left() == once_each(5)


def test_without_one_transaction_for_slice_and_record_a_killed_slice_is_done_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # replaced: the guard is off, so the slice commits before its record
    monkeypatch.setattr(services, "transaction", SimpleNamespace(atomic=nullcontext))
    killed_and_taken_up(monkeypatch, begin("count", total=5))
    assert rows_left()["n=2"] == 2


def taken_up_during_its_slice(monkeypatch: pytest.MonkeyPatch) -> Job:
    """A slice that takes longer than its lease, so that another process works the whole job."""
    job = begin("count", total=2)

    def other() -> None:
        try:
            work_on(job.pk)
        finally:
            connections.close_all()

    def expired() -> None:
        make_due(job)
        connections.close_all()

    def slow(row: Job) -> Any:
        if threading.current_thread() is threading.main_thread():
            leave_a_row(0)
            thread = threading.Thread(target=other)
            expire = threading.Thread(target=expired)
            expire.start()
            expire.join()
            thread.start()
            thread.join()
            yield Step({"next": 1}, done=1, total=2)
        else:
            yield from kinds_tried.count(row)

    # replaced: a kind of the tests, which is no code of ours
    monkeypatch.setattr(kinds_tried, "COUNT", Kind(COUNTING, "", slow))
    work_on(job.pk)
    return job


def test_a_slice_that_outlives_its_lease_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    job = taken_up_during_its_slice(monkeypatch)
    assert rows_left() == once_each(2)
    assert again(job).status == JobStatus.DONE


def test_without_the_check_of_the_lease_such_a_slice_is_done_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unchecked(job: Job, token: Any, **changes: Any) -> None:
        changes.pop("lease_until", None)
        Job.objects.filter(pk=job.pk).update(**changes)

    # replaced: the guard is off
    monkeypatch.setattr(services, "_write", unchecked)
    taken_up_during_its_slice(monkeypatch)
    assert rows_left()["n=0"] == 2


def test_a_job_that_fails_five_times_in_a_row_ends_with_a_sentence() -> None:
    job = begin("fail")
    for n in range(1, MOST_FAILURES + 1):
        assert again(job).status in {JobStatus.QUEUED, JobStatus.RUNNING}
        make_due(job)
        assert work_on(job.pk)
        assert again(job).failures == n
    job = again(job)
    assert (job.status, job.done) == (JobStatus.FAILED, 1)
    assert "failed 5 times" in job.problem
    assert "ValueError" in job.problem
    assert "never told" not in job.problem
    assert not Job.objects.due().exists()


def test_a_kind_can_say_why_it_cannot_go_on_and_one_that_is_gone_is_told() -> None:
    refused, gone = begin("refuse"), begin("count", total=1)
    Job.objects.filter(pk=gone.pk).update(kind="tests.removed")
    work_on(refused.pk)
    work_on(gone.pk)
    assert again(refused).problem == "The file has no products."
    assert "does not know this kind" in again(gone).problem
    assert {again(refused).status, again(gone).status} == {JobStatus.FAILED}


def test_a_stopped_job_keeps_what_was_done_and_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    by = Actor.person(staff("catalogue"))
    job = begin("count", total=4)

    def stopping(row: Job) -> Any:
        for step in kinds_tried.count(row):
            yield step
            if step.done == 2:
                ask_to_stop(job=row, by=by)

    # replaced: a kind of the tests, which is no code of ours
    monkeypatch.setattr(kinds_tried, "COUNT", Kind(COUNTING, kinds_tried.PERMISSION, stopping))
    work_on(job.pk)
    job = again(job)
    # It was asked during the third slice, which is finished.
    assert (job.status, job.done, job.stopped_by_id) == (JobStatus.STOPPED, 3, by.user_id)
    assert rows_left() == once_each(3)
    with pytest.raises(JobRefusedError, match="over already"):
        ask_to_stop(job=job, by=by)


def test_who_may_not_start_a_kind_starts_stops_and_undoes_none_of_it() -> None:
    nobody = Actor.person(staff("fulfillment"))
    job = begin("count", total=1)
    for act in (
        lambda: start_job(kind="tests.count", parameters={}, by=nobody),
        lambda: ask_to_stop(job=job, by=nobody),
        lambda: undo_job(job=job, by=nobody),
    ):
        with pytest.raises(JobRefusedError, match="no permission"):
            act()


def test_a_job_is_undone_once_when_it_is_over(settings: Any) -> None:
    job = begin("count", total=2)
    with pytest.raises(JobRefusedError, match="still at work"):
        undo_job(job=job, by=SYSTEM)
    work_on(job.pk)
    undo = undo_job(job=again(job), by=SYSTEM)
    with pytest.raises(JobRefusedError, match="undone already"):
        undo_job(job=again(job), by=SYSTEM)
    work_on(undo.pk)
    assert rows_left() == {}
    with pytest.raises(JobRefusedError, match="cannot be undone"):
        undo_job(job=again(undo), by=SYSTEM)
    Job.objects.filter(pk=undo.pk).update(status=JobStatus.FAILED)
    assert undo_job(job=again(job), by=SYSTEM).pk != undo.pk, "one that failed may be tried anew"


def test_files_are_whole_in_pieces_and_forgotten_after_their_days(settings: Any) -> None:
    settings.JOB_FILES_KEPT_DAYS = 7
    job = begin("file")
    content = b"x" * (2 * 1024 * 1024 + 5)
    given = give_file(job=job, name="in.csv", content_type="text/csv", chunks=[content, b"end"])
    with on_disk(given) as path:
        assert path.read_bytes() == content + b"end"
    work_on(job.pk)
    made = again(job).files.get(role="MADE")
    assert b"".join(pieces_of(made)) == b"line 0\nline 1\nline 2\n"
    assert made.size == 21
    assert forget_files() == 0
    Job.objects.filter(pk=job.pk).update(ended_at=timezone.now() - timedelta(days=8))
    assert forget_files() == 2
    assert not JobPiece.objects.exists()
    assert again(job).files.count() == 2, "that there were files stays known"
    assert forget_files() == 0
