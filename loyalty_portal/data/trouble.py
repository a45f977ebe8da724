"""When the database is busy, read-only, full or away: what is tried again, and what people read.

Nothing of it is a mistake of the program or of the person, and nothing was changed by it: each
step is one transaction.
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
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.views.defaults import server_error as broken
from psycopg import errors

logger = logging.getLogger(__name__)

Made = TypeVar("Made")

TRIES = 2  # a lock is waited for up to 5 s at each (settings.DATABASES)
RETRY_AFTER = 5  # seconds
LONGEST_PAUSE = 30.0  # seconds between two tries of a process that waits for the database
# Somebody else was let through first; the same may work now.
_OVERTAKEN = (errors.DeadlockDetected, errors.LockNotAvailable, errors.SerializationFailure)


def is_trouble(error: BaseException | None) -> bool:
    """Whether this says that the database cannot serve at the moment."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, Error) and isinstance(error.__cause__, errors.ReadOnlySqlTransaction)


def is_away(error: BaseException) -> bool:
    """Whether this says that the database serves nobody, and not only this statement."""
    return is_trouble(error) and not isinstance(error.__cause__, _OVERTAKEN)


def retried(act: Callable[[], Made]) -> Made:
    """`act()`, and again when another transaction was let through first.

    `act` is one whole transaction and calls no partner. Inside another it is done once, since
    that one is lost as well.
    """
    for _ in range(0 if connection.in_atomic_block else TRIES - 1):
        try:
            return act()
        except OperationalError as error:
            if not isinstance(error.__cause__, _OVERTAKEN):
                raise
    return act()


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's `handler500`: 503 and "try again" while the database cannot serve."""
    if not is_trouble(sys.exc_info()[1]):
        return broken(request)
    # Without the request: what the page's header shows would be read from the database.
    page = get_template("503.html").render()
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)})


class Looks:
    """What the threads of one process do with the database, for as long as it lives.

    While the database is away one of them asks for all, after a pause that doubles from a second
    to LONGEST_PAUSE, and each try is one line in the log. Nobody waits once `stop` is set.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._asking = threading.Lock()
        self._counting = threading.Lock()
        self._tries = 0  # in vain, in a row

    def guarded(self, look: Callable[[], Made]) -> Made | None:
        """A look that survives whatever befalls it: None then, and the next one comes."""
        if not self._tries:
            return self._looked(look, asks=False)
        with self._asking:
            if self._tries:
                self._stop.wait(self._pause)
            return None if self._stop.is_set() else self._looked(look, asks=True)

    @property
    def are_in_vain(self) -> bool:
        """Whether the database is away, as far as is known."""
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
            else:
                logger.exception("this look failed; the next one comes")
            return None
        with self._counting:
            if self._tries:
                logger.warning("the database serves again")
                self._tries = 0
        return found

    def _in_vain(self, error: Exception, *, asks: bool) -> None:
        """Those who were in the middle of something when it left say nothing more."""
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
