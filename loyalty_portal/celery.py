"""The Celery application, and `nudge`, the only way to send a task.

PostgreSQL holds the due work; a task only makes it run sooner. So a failure to publish never fails
a request or undoes work (saga.md, rule 14).
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import partial

from celery import Celery, Task, signals
from django.conf import settings
from django.db import Error, close_old_connections, transaction
from kombu.exceptions import OperationalError

from loyalty_portal.configuration.environment import forget_empty
from loyalty_portal.configuration.observability import traces
from loyalty_portal.configuration.processes import WORKER
from loyalty_portal.data.trouble import is_away, is_overtaken
from loyalty_portal.metrics.figures import NUDGES_LOST, count
from loyalty_portal.metrics.serving import serve
from loyalty_portal.queue.heartbeat import beat
from loyalty_portal.queue.pause import is_paused, say_so

forget_empty()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_portal.settings")

logger = logging.getLogger(__name__)


class _Row(Task):
    """A task about one row. It ends quietly while the database is down, and when another
    transaction held what it needs: the sweeper finds the row.
    """

    def __call__(self, *args: object, **kwargs: object) -> object:
        if is_paused():
            return None
        try:
            return super().__call__(*args, **kwargs)
        except Error as error:
            why = type(error.__cause__ or error).__name__
            if is_away(error):
                logger.warning("%s: the database does not serve (%s)", self.name, why)
            elif is_overtaken(error):
                logger.warning("%s was overtaken (%s); it comes again", self.name, why)
            else:
                raise
            return None


app = Celery("loyalty_portal", task_cls=_Row)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    [
        "accounts",
        "catalog",
        "loyalty_portal.audit",
        "loyalty_portal.jobs",
        "redemption.saga",
        "redemption.points",
    ]
)
# Check the connection before each task, as Django does before each request. Celery by itself would
# close it after each task (settings.CELERY_DB_REUSE_MAX); connecting costs more than a task's work.
signals.task_prerun.connect(close_old_connections)


@signals.setup_logging.connect(weak=False)
def _log_as_the_settings_say(**_said: object) -> None:
    """Somebody who listens here keeps Celery from hiding what is below a warning, and from putting
    stdout into the log.
    """


_running: ContextVar[AbstractContextManager[None] | None] = ContextVar("running", default=None)


@signals.task_prerun.connect(weak=False)
def _begin_task(task: Task, **_said: object) -> None:
    """Continue the request that sent the task, up to the line about the task's end."""
    block = traces.continuing(traces.origin_of(task.request), task.name)
    block.__enter__()
    _running.set(block)


@signals.task_postrun.connect(weak=False)
def _end_task(**_said: object) -> None:
    if block := _running.get():
        _running.set(None)
        block.__exit__(None, None, None)


@signals.worker_init.connect(weak=False)
def _start_traces(**_said: object) -> None:
    traces.start("worker")


@signals.heartbeat_sent.connect(weak=False)
def _live(**_said: object) -> None:
    """Touch the heartbeat file every two seconds while the loop runs and the broker answers."""
    beat(settings.HEARTBEAT_FILE)


@signals.worker_ready.connect
def _begin_worker(**_more: object) -> None:
    serve(WORKER, states=settings.PROCESS_STATES)
    if is_paused():
        say_so("worker")


@signals.beat_init.connect
def _say_of_the_scheduler(**_more: object) -> None:
    if is_paused():
        say_so("scheduler")


# After a failed publish this process does not use the broker for a while. Otherwise a frozen Redis
# would cost every request the socket timeout.
BROKER_REST_SECONDS = 10.0


class _Broker:
    def __init__(self) -> None:
        self.rest_until = 0.0
        self._has_declared = False

    def publish(self, task: Callable[..., object], key: str) -> None:
        if is_paused():
            return
        if time.monotonic() < self.rest_until:
            count(NUDGES_LOST)
            return
        try:
            if isinstance(task, Task):
                # By default Celery declares the queue for each message, which once is enough for,
                # and serializes the arguments a second time.
                self._declare()
                task.apply_async(
                    (key,),
                    retry=False,
                    declare=(),
                    argsrepr=key,
                    kwargsrepr="",
                    headers=traces.carried(),
                )
        except _unreachable() as error:
            self._rest()
            why = type(error).__name__
            logger.warning("broker unreachable (%s); the sweeper will find the work", why)
        except Exception:
            self._rest()
            logger.exception("a task could not be sent; the sweeper will find the work")

    def _declare(self) -> None:
        """Declare all queues, once a process and after each failure: RabbitMQ drops a message to a
        queue that nobody has declared, and a new broker has none.
        """
        if self._has_declared:
            return
        routes = app.conf.task_routes.values()
        names = {app.conf.task_default_queue, *(route["queue"] for route in routes)}
        with app.producer_or_acquire() as producer:
            for name in sorted(names):
                producer.maybe_declare(app.amqp.queues[name])
        self._has_declared = True

    def _rest(self) -> None:
        self._has_declared = False
        self.rest_until = time.monotonic() + BROKER_REST_SECONDS
        count(NUDGES_LOST)


def _unreachable() -> tuple[type[BaseException], ...]:
    """What is raised while the broker, of whatever kind, cannot be reached."""
    return (OperationalError, *app.connection_for_write().connection_errors)


_broker = _Broker()


def nudge(task: Callable[..., object], key: object) -> None:
    """Send the task `task(str(key))` after the current transaction commits. Never raises."""
    transaction.on_commit(partial(_broker.publish, task, str(key)), robust=True)
