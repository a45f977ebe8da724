"""What must be read again by those who keep a copy of tables, such as a search index.

A trigger writes the keys of what a statement changed, in its transaction. A reader's place is a
snapshot of PostgreSQL: which transactions it has seen. The next reading finds the rows of all that
have become visible since, in whatever order they were committed. So nothing is missed, and a long
transaction holds nobody up (docs/decisions/0078-a-place-is-a-snapshot.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pgtrigger
from django.db import connection

KEPT = timedelta(days=2)  # for which rows can be read; forget_touches says it too
_MANY = 1_000  # keys in a row
_NEW = pgtrigger.Referencing(new="now")  # type: ignore[no-untyped-call]
_OLD = pgtrigger.Referencing(old="was")  # type: ignore[no-untyped-call]
_BOTH = pgtrigger.Referencing(old="was", new="now")  # type: ignore[no-untyped-call]

_PLACE = """
    SELECT pg_current_snapshot()::text, clock_timestamp(),
        (SELECT system_identifier FROM pg_control_system())::text || '/' ||
        (SELECT timeline_id FROM pg_control_checkpoint())::text || '/' ||
        (SELECT oid FROM pg_database WHERE datname = current_database())::text
"""
# The snapshot and the rows are of one statement, so they are of one moment.
_SINCE = """
    SELECT pg_current_snapshot()::text, clock_timestamp(), touch.keys
    FROM (SELECT %(snapshot)s::pg_snapshot AS before) place
    LEFT JOIN feed_touch touch ON touch.source = %(source)s
        AND touch.xid >= pg_snapshot_xmin(place.before)
        AND NOT pg_visible_in_snapshot(touch.xid, place.before)
    ORDER BY touch.id
"""


class PlaceLostError(Exception):
    """The rows after a place are not to be had: they are past their days, or the database is
    another one. The copy has to be made anew.
    """


@dataclass(frozen=True, slots=True)
class FeedPlace:
    """Up to where somebody has read. `at`: when, by the database's clock."""

    snapshot: str
    at: datetime
    database: str


def place_now() -> FeedPlace:
    """The place of a reader that begins now. Take it before reading the tables."""
    with connection.cursor() as cursor:
        cursor.execute(_PLACE)
        snapshot, at, database = cursor.fetchone()
    return FeedPlace(snapshot, at, database)


def touched_since(*, source: str, place: FeedPlace) -> tuple[list[list[UUID]], FeedPlace]:
    """The keys that became visible after `place`, statement by statement, and the place after them.

    Raises `PlaceLostError`.
    """
    now = place_now()
    if now.database != place.database:
        raise PlaceLostError("the database is another one")
    if now.at - place.at > KEPT / 2:
        raise PlaceLostError("the changes after it are past their days")
    if _begins(now.snapshot) < _begins(place.snapshot):
        raise PlaceLostError("the database was put back to an earlier time")
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, {"snapshot": place.snapshot, "source": source})
        rows = cursor.fetchall()
    found = [keys for _snapshot, _at, keys in rows if keys is not None]
    return found, FeedPlace(rows[0][0], rows[0][1], now.database)


def _begins(snapshot: str) -> int:
    """The transaction below which a snapshot has seen all."""
    return int(snapshot.partition(":")[0])


def forget_touches() -> int:
    """Delete rows that are past their days. Returns their number."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM feed_touch WHERE at < now() - interval '2 days'")
        return int(cursor.rowcount)


def touching(
    source: str, *, keys: tuple[str, ...], watched: tuple[str, ...]
) -> list[pgtrigger.Trigger]:
    """Triggers that write the columns `keys` of the rows that a statement inserts, deletes, or
    changes in one of the columns `watched`.
    """
    return list(_triggers(source, keys, watched))


def _triggers(
    source: str, keys: tuple[str, ...], watched: tuple[str, ...]
) -> Iterator[pgtrigger.Trigger]:
    def columns(row: str, names: tuple[str, ...]) -> str:
        return ", ".join(f"{row}.{name}" for name in names)

    was, now = columns("was", watched), columns("now", watched)
    changed = f"""
        SELECT unnest(ARRAY[{columns("was", keys)}, {columns("now", keys)}]) AS key
        FROM was JOIN now USING (id) WHERE ROW({was}) IS DISTINCT FROM ROW({now})
    """  # noqa: S608 - written by a developer, not entered
    for name, operation, referencing, select in (
        (
            "new_rows_touched",
            pgtrigger.Insert,
            _NEW,
            f"SELECT unnest(ARRAY[{columns('now', keys)}]) AS key FROM now",  # noqa: S608
        ),
        (
            "changed_rows_touched",
            pgtrigger.Update,
            _BOTH,
            changed,
        ),
        (
            "deleted_rows_touched",
            pgtrigger.Delete,
            _OLD,
            f"SELECT unnest(ARRAY[{columns('was', keys)}]) AS key FROM was",  # noqa: S608
        ),
    ):
        yield pgtrigger.Trigger(
            name=name,
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=referencing,
            func=f"""
                INSERT INTO feed_touch (source, keys)
                SELECT '{source}', array_agg(numbered.key) FROM (
                    SELECT each.key, (row_number() OVER ()) / {_MANY} AS part
                    FROM (SELECT DISTINCT named.key FROM ({select}) named
                          WHERE named.key IS NOT NULL) each
                ) numbered GROUP BY numbered.part;
                RETURN NULL;
            """,  # noqa: S608 - written by a developer, not entered
        )
