"""Finds due rows and works them: no Celery, no Beat, no Redis needed (saga.md, rule 1)."""

import logging
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections, connections

from redemption.incidents.causes import settle_gone
from redemption.incidents.partners import watch_partners
from redemption.placing.services import expire_approvals
from redemption.services import flag_overdue
from redemption.work import KINDS, settle_mended, work

logger = logging.getLogger(__name__)

PERIOD = 2.0  # seconds between two looks
BATCH = 50  # rows taken at a look, of each kind

CHORES: dict[str, Callable[[], int]] = {
    "approvals that ran out": expire_approvals,
    "overdue orders": flag_overdue,
    "incidents that are over": settle_gone,
    "mended rows": settle_mended,
    "partners that are down": watch_partners,
}


class Command(BaseCommand):
    help = "Work what is due: transactions, calls, polls, callbacks, letters, alerts. Any number."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="Work what is due now, and end.")
        parser.add_argument(
            "--period", type=float, default=PERIOD, help="Seconds between two looks."
        )

    def handle(self, *args: Any, once: bool, period: float, **options: Any) -> None:  # noqa: ARG002
        if once:
            done = {kind: drain(kind) for kind in KINDS} | {
                name: chore() for name, chore in CHORES.items()
            }
            self.stdout.write(", ".join(f"{count} {kind}" for kind, count in done.items()))
            return
        stop = threading.Event()

        def end(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
            stop.set()

        signal.signal(signal.SIGTERM, end)
        signal.signal(signal.SIGINT, end)
        # A thread for each kind, so that a slow partner holds up nobody's letters.
        lanes = [
            threading.Thread(target=_lane, args=(kind, period, stop), name=kind) for kind in KINDS
        ]
        lanes.append(
            threading.Thread(target=_chores, args=(max(period, 10.0), stop), name="chores")
        )
        for lane in lanes:
            lane.start()
        self.stdout.write(f"Sweeping every {period:g} s.")
        for lane in lanes:
            lane.join()


def drain(kind: str) -> int:
    """Work one batch of due rows of a kind; how many rows were looked at."""
    due = KINDS[kind].rows.due_ids(BATCH)
    for key in due:
        try:
            work(kind, key)
        except Exception:
            # Not this row's fault; the others may fare better.
            logger.exception("sweep: %s %s failed", kind, key)
    return len(due)


def _lane(kind: str, period: float, stop: threading.Event) -> None:
    while not stop.is_set():
        found = _guarded(lambda: drain(kind))
        if found < BATCH:
            stop.wait(period)
    connections.close_all()


def _chores(period: float, stop: threading.Event) -> None:
    while not stop.is_set():
        for chore in CHORES.values():
            _guarded(chore)
        stop.wait(period)
    connections.close_all()


def _guarded(look: Callable[[], int]) -> int:
    """A look that survives whatever befalls it, such as the database being away: it looks again."""
    try:
        close_old_connections()
        return look()
    except Exception:
        logger.exception("sweep: this look failed; the next one comes")
        return 0
