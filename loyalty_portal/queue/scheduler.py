"""Celery's file-based scheduler with a heartbeat. Any number may run, and one acts."""

import logging
from typing import Any

from celery.beat import PersistentScheduler
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, connections

from loyalty_portal.queue.heartbeat import beat

logger = logging.getLogger(__name__)

LOCK = 7_203_117_554  # of all advisory locks of the portal's database, the scheduler's
_HOLD = "SELECT pg_try_advisory_lock(%s)"
# A lock of this session that it has already would be counted a second time.
_HELD = (
    "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    " AND (classid::bigint << 32 | objid::bigint) = %s"
)


class Scheduler(PersistentScheduler):  # type: ignore[misc]
    """Touches the heartbeat file at each tick, at least every CELERY_BEAT_MAX_LOOP_INTERVAL
    seconds, and sends tasks only while it holds a lock in PostgreSQL.

    All schedulers count the same times, so another one goes on when the lock's holder ends:
    PostgreSQL frees the lock with its connection.
    """

    def __init__(self, *args: object, **options: object) -> None:
        # A connection of its own, which nothing else closes. It needs a session of PostgreSQL, so
        # no pool that gives each transaction another one.
        self._link = connections.create_connection(DEFAULT_DB_ALIAS)
        self._acts = False
        super().__init__(*args, **options)

    def tick(self, *args: object, **options: object) -> float:
        beat(settings.HEARTBEAT_FILE)
        return float(super().tick(*args, **options))

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send the task that is due, if this scheduler acts. It counts as sent in any case."""
        if self._may_act():
            super().apply_entry(entry, producer)

    def _may_act(self) -> bool:
        try:
            may = bool(self._asked(_HELD) or self._asked(_HOLD))
        except Error as error:
            self._link.close()
            why = type(error.__cause__ or error).__name__
            logger.warning("scheduler: the database does not serve (%s); nothing is sent", why)
            may = False
        if may != self._acts:
            logger.info("scheduler: %s", "this one acts" if may else "this one acts no more")
        self._acts = may
        return may

    def _asked(self, query: str) -> bool:
        with self._link.cursor() as cursor:
            cursor.execute(query, [LOCK])
            return bool(cursor.fetchone()[0])
