"""A worker keeps its database connection from task to task."""

import pytest
from celery import signals
from celery.fixups.django import DjangoWorkerFixup
from django.db import connection

from loyalty_portal.celery import app
from redemption.saga.tasks import send_letter

pytestmark = pytest.mark.django_db(transaction=True)


def backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def next_task(worker: DjangoWorkerFixup) -> None:
    """Do what a worker does around each task."""
    worker.on_task_postrun(send_letter)
    worker.on_task_prerun(send_letter)
    signals.task_prerun.send(sender=send_letter)


def test_a_task_uses_the_connection_of_the_one_before() -> None:
    worker = DjangoWorkerFixup(app)
    first = backend()
    next_task(worker)
    assert backend() == first


def test_a_task_does_not_meet_the_connection_that_died_under_the_one_before() -> None:
    worker = DjangoWorkerFixup(app)
    first = backend()
    with pytest.raises(Exception, match="terminating connection"), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    next_task(worker)
    assert backend() != first
