"""Handles a database that is busy, read-only, full or down.

Such an error is no mistake of the program or the user, and nothing was changed, because each step
is one transaction. This module decides what is retried and what people read.
"""

import logging
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from django.db import (
    Error,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
)
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.template.loader import get_template
from psycopg import errors

from loyalty_portal.configuration.observability.origin import request_id
from loyalty_portal.configuration.observability.traces import trace_id_of, traceparent

logger = logging.getLogger(__name__)

Made = TypeVar("Made")

# On a busy machine one is overtaken twice in a row. Each try waits up to 5 s for a lock
# (settings.DATABASES).
TRIES = 3
RETRY_AFTER = 5  # seconds
LONGEST_PAUSE = 30.0  # seconds between two tries of a background process
_OVERTAKEN = (errors.DeadlockDetected, errors.LockNotAvailable, errors.SerializationFailure)


def is_trouble(error: BaseException | None) -> bool:
    """Whether the error means that the database cannot serve this statement at the moment."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, Error) and isinstance(error.__cause__, errors.ReadOnlySqlTransaction)


def is_away(error: BaseException) -> bool:
    """Whether the error means that the database serves no statement at all."""
    return is_trouble(error) and not is_overtaken(error)


def is_overtaken(error: BaseException) -> bool:
    """Whether the error means that another transaction won, by a lock that was not had in time or a
    deadlock. The same one may succeed now.
    """
    return isinstance(error, OperationalError) and isinstance(error.__cause__, _OVERTAKEN)


def retried(act: Callable[[], Made]) -> Made:
    """Call `act()`, and retry it when it lost against another transaction.

    `act` must be one whole transaction without partner calls. Inside another transaction it is
    called only once, because the outer one is lost too.
    """
    for _ in range(0 if connection.in_atomic_block else TRIES - 1):
        try:
            return act()
        except OperationalError as error:
            if not is_overtaken(error):
                raise
    return act()


def server_error(_request: HttpRequest) -> HttpResponse:
    """Django's `handler500`. Answers 503 and "try again" while the database cannot serve."""
    if not is_trouble(sys.exc_info()[1]):
        return _broken()
    # Render without the request, because the header would read from the database.
    page = get_template("503.html").render()
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)})


def _broken() -> HttpResponse:
    """The page of a fault of our own. It names the request, and its trace, so that
    people can too.
    """
    told = {"request_id": request_id(), "trace_id": trace_id_of(traceparent())}
    return HttpResponseServerError(get_template("500.html").render(told))


class Looks:
    """Runs the database polls of a process's threads, and survives an outage of the database.

    During an outage one thread polls for all, after a pause that doubles from a second to
    LONGEST_PAUSE, and each try logs one line. When `stop` is set, no thread waits any longer.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._asking = threading.Lock()
        self._counting = threading.Lock()
        self._tries = 0  # failed tries in a row

    def guarded(self, look: Callable[[], Made]) -> Made | None:
        """Run `look`. Returns None when it raised; the error is logged and not raised."""
        if not self._tries:
            return self._looked(look, asks=False)
        with self._asking:
            if self._tries:
                self._stop.wait(self._pause)
            return None if self._stop.is_set() else self._looked(look, asks=True)

    @property
    def are_in_vain(self) -> bool:
        """Whether the database is known to be down."""
        return self._tries > 0

    @property
    def _pause(self) -> float:
        return min(LONGEST_PAUSE, 2.0 ** (self._tries - 1))

    def _looked(self, look: Callable[[], Made], *, asks: bool) -> Made | None:
        try:
            close_old_connections()
            found = look()
        except Exception as error:
            if is_away(error):
                self._in_vain(error, asks=asks)
            elif is_overtaken(error):
                why = type(error.__cause__).__name__
                logger.warning("this look was overtaken (%s); the next one comes", why)
            else:
                logger.exception("this look failed; the next one comes")
            return None
        with self._counting:
            if self._tries:
                logger.warning("the database serves again")
                self._tries = 0
        return found

    def _in_vain(self, error: Exception, *, asks: bool) -> None:
        """Count and log a failed try. Threads that were interrupted by the same outage log
        nothing.
        """
        with self._counting:
            if self._tries and not asks:
                return
            self._tries += 1
            logger.warning(
                "the database does not serve (%s); the next look in %.0f s",
                type(error.__cause__ or error).__name__,
                self._pause,
                extra={"n": self._tries},
            )
