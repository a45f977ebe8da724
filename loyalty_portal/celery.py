"""The Celery application, and the nudge: the only way a task is ever sent.

PostgreSQL is the truth about what is due; a task only makes it quick. So publishing is an
unknown outcome that never fails a request or undoes work (saga.md, rule 14).
"""

import logging
import os
import time
from collections.abc import Callable
from functools import partial

from celery import Celery, Task, signals
from django.conf import settings
from django.db import Error, close_old_connections, transaction

from loyalty_portal.configuration.environment import forget_empty
from loyalty_portal.data.trouble import is_away
from loyalty_portal.queue.heartbeat import beat
from loyalty_portal.queue.pause import is_paused, say_so

forget_empty()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_portal.settings")

logger = logging.getLogger(__name__)


class _Row(Task):
    """A task about one row, which the sweeper finds when the database is away meanwhile."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        if is_paused():
            return None
        try:
            return super().__call__(*args, **kwargs)
        except Error as error:
            if not is_away(error):
                raise
            why = type(error.__cause__ or error).__name__
            logger.warning("%s: the database does not serve (%s)", self.name, why)
            return None


app = Celery("loyalty_portal", task_cls=_Row)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["accounts", "catalog", "redemption.saga", "redemption.points"])
# As at each request; by itself Celery closes the connection after each task
# (settings.CELERY_DB_REUSE_MAX), and opening one costs more than what a task does with it.
signals.task_prerun.connect(close_old_connections)


@signals.heartbeat_sent.connect(weak=False)
def _live(**_said: object) -> None:
    """Every two seconds while the worker's loop turns and its broker answers."""
    beat(settings.HEARTBEAT_FILE)


@signals.worker_ready.connect
def _say_of_the_worker(**_more: object) -> None:
    if is_paused():
        say_so("worker")


@signals.beat_init.connect
def _say_of_the_scheduler(**_more: object) -> None:
    if is_paused():
        say_so("scheduler")


# After a failed publish this process leaves the broker alone for a while: a frozen Redis
# would otherwise cost every request the socket timeout.
BROKER_REST_SECONDS = 10.0


class _Broker:
    def __init__(self) -> None:
        self.rest_until = 0.0

    def publish(self, task: Callable[..., object], key: str) -> None:
        if is_paused() or time.monotonic() < self.rest_until:
            return
        try:
            if isinstance(task, Task):
                # Celery would declare the queue, as its worker does, and write the arguments
                # down a second time, for each message.
                task.apply_async((key,), retry=False, declare=(), argsrepr=key, kwargsrepr="")
        except Exception:
            self.rest_until = time.monotonic() + BROKER_REST_SECONDS
            logger.warning("broker unreachable; the sweeper will find the work", exc_info=True)


_broker = _Broker()


def nudge(task: Callable[..., object], key: object) -> None:
    """Send `task(str(key))` once the open transaction commits; never raises."""
    transaction.on_commit(partial(_broker.publish, task, str(key)), robust=True)
