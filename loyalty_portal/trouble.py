"""When the database is busy, read-only, full or away: what is tried again, and what people read.

Nothing of it is a mistake of the program or of the person, and nothing was changed by it: each
step is one transaction.
"""

import sys
from collections.abc import Callable
from typing import TypeVar

from django.db import Error, InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template
from django.views.defaults import server_error as broken
from psycopg import errors

Made = TypeVar("Made")

TRIES = 2  # a lock is waited for up to 5 s at each (settings.DATABASES)
RETRY_AFTER = 5  # seconds
# Somebody else was let through first; the same may work now.
_OVERTAKEN = (errors.DeadlockDetected, errors.LockNotAvailable, errors.SerializationFailure)


def is_trouble(error: BaseException | None) -> bool:
    """Whether this says that the database cannot serve at the moment."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, Error) and isinstance(error.__cause__, errors.ReadOnlySqlTransaction)


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
