"""Django's PostgreSQL backend with a cheaper connection check.

Django sends `SELECT 1` before the first query of each request, so that no request uses a connection
that the server has closed. A server that closes a connection writes to its socket, so as long as
there is nothing to read the query is not needed. Neither way detects a network that drops
everything in time.
"""

import select
from collections.abc import Iterator
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from django.db.backends.utils import CursorWrapper
from psycopg.pq import TransactionStatus

from loyalty_portal.configuration.observability import traces


class TracedCursor:
    """A cursor whose statements are spans. All cursors are made of it in a trace: Django's, and
    those of prepared_cursor(), which instrumented connections would not see.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    def execute(self, text: Any, *given: Any, **options: Any) -> Any:
        with traces.statement(text):
            return self._cursor.execute(text, *given, **options)

    def executemany(self, text: Any, *given: Any, **options: Any) -> Any:
        with traces.statement(text):
            return self._cursor.executemany(text, *given, **options)


class DatabaseWrapper(base.DatabaseWrapper):
    """The database backend `loyalty_portal.fastpath.postgresql`. With FASTPATH=false it is
    Django's.
    """

    def _prepare_cursor(self, cursor: Any) -> CursorWrapper:
        """Wrap a cursor as Django does. In a trace, each statement of it becomes a span."""
        told = TracedCursor(cursor) if traces.is_recording() else cursor
        wrapped: CursorWrapper = super()._prepare_cursor(told)  # type: ignore[misc]
        return wrapped

    def is_usable(self) -> bool:
        """Whether the kept connection can still be used."""
        link = self.connection
        quiet = link is not None and _is_idle(link) and not _has_news(link.fileno())
        if settings.FASTPATH and quiet:
            return True
        usable: bool = super().is_usable()
        return usable


def _is_idle(link: psycopg.Connection[Any]) -> bool:
    return not link.closed and link.info.transaction_status is TransactionStatus.IDLE


def _has_news(socket: int) -> bool:
    """Whether the socket has unexpected data or was closed."""
    poll = select.poll()
    poll.register(socket, select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))
