"""The digest of a row of history, and the hash of a link.

Personal columns enter a digest as salted digests of their own. Erasing them keeps these, so the
digest of the row stays the same (erasing.py).
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg import sql

from loyalty_portal.audit.models import RowSalt
from loyalty_portal.audit.sources import Source

SIZE = 32  # bytes of a digest
Row = dict[str, Any]


def rows_between(source: Source, after: int, upto: int, most: int) -> list[tuple[int, Row]]:
    """Numbers and columns of at most `most` rows whose number is above `after`, up to `upto`.

    A change also has `_context`: who made it and where, without the network address.
    """
    context, joined = sql.SQL(""), sql.SQL("")
    if source.has_context:
        context = sql.SQL(" || jsonb_build_object('_context', context.metadata - 'address')")
        joined = sql.SQL(" LEFT JOIN pghistory_context context ON context.id = row.pgh_context_id")
    query = sql.SQL(
        "SELECT row.{order}, (to_jsonb(row){context})::text FROM {table} row{joined}"
        " WHERE row.{order} > %s AND row.{order} <= %s ORDER BY row.{order} LIMIT %s"
    ).format(
        order=sql.Identifier(source.order),
        table=sql.Identifier(source.table),
        context=context,
        joined=joined,
    )
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(), [after, upto, most])
        return [(number, json.loads(text)) for number, text in cursor.fetchall()]


def digest_of(row: Row, columns: Sequence[str], sealed: Mapping[str, str]) -> bytes:
    """The digest of these columns; `sealed` has the salted digests of personal ones."""
    told = {name: sealed.get(name, row.get(name)) for name in columns}
    return hashlib.sha256(_plain(told)).digest()


def sealed_columns(row: Row, personal: Collection[str], salt: bytes) -> dict[str, str]:
    """The salted digest of each personal column that is not empty."""
    return {
        name: hashlib.sha256(salt + _plain(row[name])).hexdigest()
        for name in personal
        if row.get(name) not in (None, "")
    }


def new_salts(source: Source, rows: Sequence[tuple[int, Row]]) -> dict[int, RowSalt]:
    """A salt, not yet saved, for each row that has something personal."""
    return {
        number: RowSalt(label=source.label, number=number, salt=os.urandom(SIZE))
        for number, row in rows
        if sealed_columns(row, source.personal, b"")
    }


def salts_of(source: Source, numbers: Collection[int]) -> dict[int, RowSalt]:
    """The salts of these rows by their numbers."""
    if not source.personal:
        return {}
    rows = RowSalt.objects.filter(label=source.label, number__in=numbers)
    return {salt.number: salt for salt in rows}


def sealed(row: Row, source: Source, salt: RowSalt | None) -> dict[str, str]:
    """What stands for the personal columns of a row: what was kept, if they were erased."""
    if salt is None:
        return {}
    if salt.salt is None:
        # A value that somebody wrote over an erased one is not what was sealed.
        kept: dict[str, str] = salt.kept or {}
        return {name: told for name, told in kept.items() if row.get(name) in (None, "")}
    return sealed_columns(row, source.personal, bytes(salt.salt))


def hash_of(
    *,
    number: int,
    at: datetime,
    label: str,
    columns: Sequence[str],
    numbers: Sequence[int],
    upto: int,
    digests: bytes,
    previous: bytes,
) -> bytes:
    """The hash of a link, over all of it and the hash of the link before."""
    told = [number, at.isoformat(), label, [*columns], [*numbers], upto, digests.hex()]
    return hashlib.sha256(previous + _plain(told)).digest()


def split(digests: bytes) -> Iterator[bytes]:
    """The digests of the rows of a link."""
    return (digests[start : start + SIZE] for start in range(0, len(digests), SIZE))


def _plain(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
