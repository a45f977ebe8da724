"""PORTAL_PAUSED in real processes: they start, log it once, and leave due rows alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kombu import Connection
from pytest_django.plugin import DjangoDbBlocker

from redemption.models import Letter, LoyaltyTransaction
from redemption.saga import tasks
from redemption.states import OrderStatus, TransactionStatus
from tests.redemption.world import World
from tests.support.daemons import ROOT, Daemon
from tests.support.stack import Databases, Stack
from tests.support.stack_fixtures import in_use
from tests.support.waiting import eventually

PAUSED = "PORTAL_PAUSED is set"


@pytest.fixture
def paused(
    databases: Databases, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stack]:
    with Stack(tmp_path, databases.create(), PORTAL_PAUSED="true") as running:
        yield from in_use(running, django_db_blocker)


def says_so(process: Daemon) -> None:
    eventually(lambda: PAUSED in process.log.read_text(), f"the {process.name} says so")


def said(command: list[str], process: Daemon) -> str:
    """The output of a command that runs in the environment of the process."""
    done = subprocess.run(
        command, cwd=ROOT, env=process.environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_worker_and_sweeper_are_idle_until_the_pause_is_over(paused: Stack) -> None:
    for process in (paused.worker, paused.sweeper):
        says_so(process)
    shop = World(paused.sandbox)
    order = shop.place((shop.virtual(points=500), 1))
    debit = LoyaltyTransaction.objects.get(order=order)
    with Connection(paused.redis.url) as broker:
        tasks.settle_transaction.apply_async((str(debit.pk),), connection=broker)
        eventually(lambda: paused.redis.queued("loyalty") == 0, "the worker has taken the task")
    once = [sys.executable, "manage.py", "sweep", "--once"]
    assert said(once, paused.sweeper).endswith("Paused: nothing is worked.")

    debit.refresh_from_db()
    assert (debit.status, debit.attempts) == (TransactionStatus.INTENDED, 0)
    assert debit.lease_until is None
    assert paused.sandbox.calls(operation="debit") == []
    for process in (paused.worker, paused.sweeper):
        assert process.log.read_text().count(PAUSED) == 1

    paused.sweeper.stop()
    del paused.sweeper.environment["PORTAL_PAUSED"]
    paused.sweeper.start()
    assert paused.ends(order.order_number) == [OrderStatus.COMPLETED]
    eventually(Letter.objects.filter(sent_at__isnull=False).exists, "letters go out")


def test_the_scheduler_has_nothing_to_send(paused: Stack, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "celery", "-A", "loyalty_portal", "beat"]
    command += ["-s", str(tmp_path / "schedule")]
    beat = Daemon("beat", command, paused.worker.environment, tmp_path)
    beat.start()
    try:
        says_so(beat)
    finally:
        beat.kill()
    asked = "from loyalty_portal.celery import app; print(len(app.conf.beat_schedule))"
    assert said([sys.executable, "-c", asked], paused.worker) == "0"
