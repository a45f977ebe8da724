"""Django's PostgreSQL backend, with a look at the socket before a question to the server.

Django asks `SELECT 1` before the first query of each request, so that nobody meets a connection
that the server has closed. A server that leaves says so on the socket; while it says nothing,
the question is spared. What neither sees, a network that swallows everything, `SELECT 1` does
not see in time either.
"""

import select
from typing import Any

import psycopg
from django.conf import settings
from django.db.backends.postgresql import base
from psycopg.pq import TransactionStatus


class DatabaseWrapper(base.DatabaseWrapper):
    """The database backend `loyalty_portal.fastpath.postgresql`. With FASTPATH=false it is
    Django's.
    """

    def is_usable(self) -> bool:
        """Whether the kept connection can be used again."""
        link = self.connection
        quiet = link is not None and _is_idle(link) and not _has_news(link.fileno())
        if settings.FASTPATH and quiet:
            return True
        usable: bool = super().is_usable()
        return usable


def _is_idle(link: psycopg.Connection[Any]) -> bool:
    return not link.closed and link.info.transaction_status is TransactionStatus.IDLE


def _has_news(socket: int) -> bool:
    """Bytes nobody asked for, or its end."""
    poll = select.poll()
    poll.register(socket, select.POLLIN | select.POLLRDHUP)
    return bool(poll.poll(0))
