"""The publisher: writes the chain behind the commits, so that nothing waits for it.

The numbers of rows are given out before their transactions end, so a row with a lower number may
appear later. The publisher looks how far a table goes and who is writing at that moment, and
chains up to there once these transactions have ended: then no lower number can appear any more. A
transaction that writes to a table holds a lock on it from before it takes a number until its rows
can be seen, so `pg_locks` names every one. One publisher writes at a time, under an advisory lock.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from psycopg import sql

from loyalty_portal.audit.digests import (
    SIZE,
    Row,
    digest_of,
    hash_of,
    new_salts,
    rows_between,
    sealed,
)
from loyalty_portal.audit.models import ChainLink, ChainLook, RowSalt
from loyalty_portal.audit.sources import Source, sources
from loyalty_portal.data.leases import is_alone

logger = logging.getLogger(__name__)

ROWS_OF_A_LINK = 500
LINKS_AT_ONCE = 40  # of one table; the rest waits for the next turn, so that a turn stays short
_LOCK = 0x61756469  # any number that no other advisory lock of ours has
_START = bytes(SIZE)  # what the first link has instead of a link before


def publish() -> int:
    """Chain the rows whose transactions have ended. Returns how many; 0 while another publishes.

    A row is chained at the second turn after its commit at the latest, unless a transaction that
    was writing beside it goes on for longer.
    """
    with transaction.atomic():
        if not is_alone(_LOCK):
            return 0
        look, _made = ChainLook.objects.get_or_create(pk=1)
        if look.bounds:
            if set(look.writers) & writers():
                return 0
            done = _chain(look.bounds)
            look.bounds, look.writers = {}, []
        else:
            done = 0
        bounds = _bounds()
        if bounds and (writing := writers()):
            look.bounds, look.writers = bounds, sorted(writing)
        elif bounds:
            done += _chain(bounds)
        look.save()
        return done


def writers() -> set[str]:
    """The transactions that write to a table of history now, without this one."""
    tables = [source.table for source in sources().values()]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT virtualtransaction FROM pg_locks WHERE locktype = 'relation'"
            " AND mode = 'RowExclusiveLock' AND pid IS DISTINCT FROM pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND relation = ANY (%s::regclass[]::oid[])",
            [tables],
        )
        return {name for (name,) in cursor.fetchall()}


def chained_upto(label: str) -> int:
    """How far the chain goes for a table; 0 when it has no link yet."""
    links = ChainLink.objects.filter(label=label).order_by("-number")
    return links.values_list("upto", flat=True).first() or 0


def head() -> ChainLink | None:
    """The last link."""
    return ChainLink.objects.order_by("-number").first()


def tell_head(last: ChainLink | None) -> None:
    """Write the head to the log, which nobody with the database alone can change."""
    logger.info("audit: the head of the chain is %s", last or "nothing yet")


def _bounds() -> dict[str, int]:
    """The highest number of each table that has rows beyond its last link."""
    found = {}
    for source in sources().values():
        query = sql.SQL("SELECT max({order}) FROM {table} WHERE {order} > %s").format(
            order=sql.Identifier(source.order), table=sql.Identifier(source.table)
        )
        with connection.cursor() as cursor:
            cursor.execute(query.as_string(), [chained_upto(source.label)])
            (highest,) = cursor.fetchone()
        if highest is not None:
            found[source.label] = highest
    return found


def _chain(bounds: dict[str, int]) -> int:
    last = head()
    done = 0
    if last and last.at.date() < timezone.now().date():
        tell_head(last)  # of its day: without a broker nobody else writes it to the log
    for label in sorted(bounds.keys() & sources().keys()):
        source = sources()[label]
        for rows in _batches(source, bounds[label]):
            last = _append(last, source, rows)
            done += len(rows)
    return done


def _batches(source: Source, bound: int) -> Iterable[Sequence[tuple[int, Row]]]:
    after = chained_upto(source.label)
    for _turn in range(LINKS_AT_ONCE):
        rows = rows_between(source, after, bound, ROWS_OF_A_LINK)
        if not rows:
            return
        yield rows
        after = rows[-1][0]


def _append(last: ChainLink | None, source: Source, rows: Sequence[tuple[int, Row]]) -> ChainLink:
    salts = new_salts(source, rows)
    RowSalt.objects.bulk_create(salts.values())
    columns = sorted(rows[0][1])
    told: dict[str, Any] = {
        "number": last.number + 1 if last else 1,
        "at": timezone.now(),
        "label": source.label,
        "columns": columns,
        "numbers": [number for number, _row in rows],
        "upto": rows[-1][0],
        "digests": b"".join(
            digest_of(row, columns, sealed(row, source, salts.get(number))) for number, row in rows
        ),
        "previous": bytes(last.hash) if last else _START,
    }
    return ChainLink.objects.create(**told, hash=hash_of(**told))
