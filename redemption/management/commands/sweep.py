"""`manage.py sweep`: finds due rows and works them, without Celery or Redis (saga.md, rule 1)."""

import logging
import signal
import threading
import time
import uuid
from argparse import ArgumentParser
from collections import deque
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from catalog.backoffice.bulk.recording import forget_edits
from catalog.yours.services import tell_back
from loyalty_portal.audit.chain import publish
from loyalty_portal.configuration.observability import traces
from loyalty_portal.configuration.processes import SWEEPER
from loyalty_portal.data.trouble import Looks, is_away, is_overtaken
from loyalty_portal.feed.services import forget_changes, publish_all
from loyalty_portal.feed.touches import forget_touches
from loyalty_portal.jobs.services import forget_files
from loyalty_portal.metrics.figures import LAST_LOOK
from loyalty_portal.metrics.serving import serve
from loyalty_portal.queue.heartbeat import beat
from loyalty_portal.queue.pause import is_paused, say_so
from redemption.analytics.services import count_figures
from redemption.checkout.approvals.asking import remind_approvers
from redemption.checkout.approvals.deciding import expire_approvals
from redemption.checkout.bulk.approving import expire_bulks, remind_of_bulks
from redemption.incidents.causes import settle_gone
from redemption.incidents.partners import watch_partners
from redemption.saga.queues import queues, settle_mended, work
from redemption.saga.steps import flag_overdue
from redemption.webhooks_out.delivering import forget_pings

logger = logging.getLogger(__name__)

PERIOD = 2.0  # seconds between two polls when nothing happens
# Seconds; shorter periods would spin, longer ones leave orders waiting.
SHORTEST, LONGEST = 0.05, 3600.0
BATCH = 50  # rows of each queue taken at a poll
BEAT_SECONDS = 2.0  # seconds between two heartbeats
# A queue is stuck when no thread finishes a row for so long; a call may take 120.
STUCK_SECONDS = 180.0
FEED_SECONDS = 0.5  # seconds between two looks into the feed's outbox

CHORES: dict[str, Callable[[], int]] = {
    "approvals that ran out": expire_approvals,
    "approvals to remind of": remind_approvers,
    "files of orders nobody approved": expire_bulks,
    "files of orders to remind of": remind_of_bulks,
    "overdue orders": flag_overdue,
    "wishes for what is in stock again": tell_back,
    "incidents that are over": settle_gone,
    "mended rows": settle_mended,
    "partners that are down": watch_partners,
    "hours counted for reports": count_figures,
    "files of jobs past their days": forget_files,
    "former values past their days": forget_edits,
    "rows of the audit chain": publish,
    "changes past their days": forget_changes,
    "touched rows past their days": forget_touches,
    "pings past their days": forget_pings,
}


class Command(BaseCommand):
    help = "Work what is due: transactions, calls, polls, letters, jobs and so on. Any number."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Work what is due now, and end.")
        parser.add_argument(
            "--period", type=float, default=PERIOD, help="Seconds between two looks."
        )

    def handle(self, *args: Any, once: bool, period: float, **options: Any) -> None:  # noqa: ARG002
        if not SHORTEST <= period <= LONGEST:
            raise CommandError(
                f"--period must be between {SHORTEST:g} and {LONGEST:g} seconds, not {period:g}."
            )
        traces.start("sweeper")
        stop = threading.Event()
        if not once:
            serve(SWEEPER, states=settings.STATE_SOURCES)
        if is_paused():
            self._idle(stop, once=once)
        elif once:
            publish_all()
            done = {kind: drain(kind) for kind in queues()} | {
                name: chore() for name, chore in CHORES.items()
            }
            self.stdout.write(", ".join(f"{count} {kind}" for kind, count in done.items()))
        else:
            self._for_good(period, stop)

    def _for_good(self, period: float, stop: threading.Event) -> None:
        looks = Looks(stop)
        # Each queue has its own threads, so that a slow partner does not delay letters.
        lanes = [_Lane(kind, period, stop, looks) for kind in queues()]

        def look_again() -> None:
            for lane in lanes:
                lane.again.set()

        def end(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
            stop.set()
            look_again()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        threads = [
            threading.Thread(target=lane.run, args=(look_again,), name=lane.kind)
            for lane in lanes
            for _ in range(queues()[lane.kind].hands)
        ]
        threads.append(
            threading.Thread(target=_chores, args=(max(period, 10.0), stop, looks), name="chores")
        )
        told = (min(period, FEED_SECONDS), stop, looks, look_again)
        threads.append(threading.Thread(target=_publish_changes, args=told, name="feed"))
        for thread in threads:
            thread.start()
        self.stdout.write(f"Sweeping every {period:g} s.")
        while any(thread.is_alive() for thread in threads):
            if not any(lane.is_stuck for lane in lanes):
                beat(settings.HEARTBEAT_FILE)
            for thread in threads:
                thread.join(BEAT_SECONDS / len(threads))

    def _idle(self, stop: threading.Event, *, once: bool) -> None:
        """While paused, do nothing but touch the heartbeat file, until a signal ends the
        process.
        """
        say_so("sweeper")
        self.stdout.write("Paused: nothing is worked.")
        if once:
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: stop.set())
        while not stop.is_set():
            beat(settings.HEARTBEAT_FILE)
            stop.wait(BEAT_SECONDS)


def drain(kind: str) -> int:
    """Work one batch of a queue's due rows. Returns the number of rows taken."""
    due = _look_for(kind)
    for key in due:
        _attempt(kind, key)
    return len(due)


def _look_for(kind: str) -> list[uuid.UUID]:
    """The most overdue rows of a queue, up to BATCH."""
    due = queues()[kind].rows.due_ids(BATCH)
    LAST_LOOK.labels(kind).set_to_current_time()
    return due


def _attempt(kind: str, key: uuid.UUID) -> bool:
    """Work one row; returns whether it was worked. Errors are logged, so that other rows go on.

    Raises only errors that mean that the database is down.
    """
    try:
        with traces.continuing(queues()[kind].rows.origin_of(key), f"sweep {kind}"):
            return bool(work(kind, key))
    except Exception as error:
        if is_away(error):
            raise
        if is_overtaken(error):
            why = type(error.__cause__).__name__
            logger.warning("sweep: %s %s was overtaken (%s); it is tried again", kind, key, why)
        else:
            logger.exception("sweep: %s %s failed", kind, key)
        return False


class _Lane:
    """One queue, worked by several threads so that no row waits for another row's call.

    Threads take turns. The thread with the turn takes the next row and passes the turn on. When
    there is no row it polls for more, and while there are none it waits and keeps the turn.
    """

    def __init__(self, kind: str, period: float, stop: threading.Event, looks: Looks) -> None:
        self.kind = kind
        self.again = threading.Event()  # set to poll now instead of after the period
        self._period = period
        self._stop = stop
        self._looks = looks
        self._turn = threading.Lock()
        self._alive_at = time.monotonic()
        self._due: deque[uuid.UUID] = deque()
        self._seen: set[uuid.UUID] = set()
        self._more = True

    @property
    def is_stuck(self) -> bool:
        if self._looks.are_in_vain:
            return False  # waiting for the database is not being stuck
        return time.monotonic() - self._alive_at > STUCK_SECONDS + self._period

    def run(self, look_again: Callable[[], None]) -> None:
        """The loop of one thread. It finishes the row that it has begun before it ends.

        After the last row it polls all queues, because a worked row may make others due: a debit
        its letter.
        """
        while (key := self._next()) is not None:
            worked = self._looks.guarded(partial(_attempt, self.kind, key))
            if worked and not self._due:
                look_again()
        connections.close_all()

    def _next(self) -> uuid.UUID | None:
        if not self._turn.acquire(timeout=self._period):
            connections.close_all()  # idle for a whole period, so give the connection back
            self._turn.acquire()
        try:
            while not self._stop.is_set():
                self._alive_at = time.monotonic()
                if self._due:
                    return self._due.popleft()
                self._look()
            return None
        finally:
            self._turn.release()

    def _look(self) -> None:
        """Poll for due rows. Waits before, unless the last poll found a new row."""
        if not self._more:
            self.again.wait(self._period)
        self.again.clear()
        due = self._looks.guarded(lambda: _look_for(self.kind)) or []
        self._more = not self._seen.issuperset(due)
        self._seen = set(due)
        self._due.extend(due)


def _chores(period: float, stop: threading.Event, looks: Looks) -> None:
    while not stop.is_set():
        for chore in CHORES.values():
            looks.guarded(chore)
        stop.wait(period)
    connections.close_all()


def _publish_changes(
    period: float, stop: threading.Event, looks: Looks, look_again: Callable[[], None]
) -> None:
    """Publish what changed, and have the queues polled, one of which tells companies of it."""
    while not stop.is_set():
        if looks.guarded(publish_all):
            look_again()
        stop.wait(period)
    connections.close_all()
