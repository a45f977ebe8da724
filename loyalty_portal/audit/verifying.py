"""Verifies the chain: that its links follow one another, and that the rows are as they were."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import connection, transaction
from psycopg import sql

from loyalty_portal.audit.digests import (
    Row,
    digest_of,
    hash_of,
    rows_between,
    salts_of,
    sealed,
    split,
)
from loyalty_portal.audit.models import ChainLink
from loyalty_portal.audit.sources import Source, sources

_ALL = 2**62  # more rows than a link can miss


@dataclass(slots=True)
class Verification:
    """What verifying found: one sentence for each thing that is wrong; none means all is well.

    `waiting` is the number of rows that the publisher has not chained yet.
    """

    wrong: list[str] = field(default_factory=list)
    links: int = 0
    rows: int = 0
    waiting: int = 0
    head: str = ""


def verify(heads: tuple[str, ...] = ()) -> Verification:
    """Verify the whole chain. Each of `heads`, as `number:hash` from the log, must be in it."""
    found = Verification()
    outermost = not connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if outermost:
            # One snapshot, so that rows and links that are written meanwhile do not count.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        upto = _links(found, dict.fromkeys(heads, False))
        for label, source in sources().items():
            found.waiting += _count_after(source, upto.get(label, 0))
    return found


def _links(found: Verification, heads: dict[str, bool]) -> dict[str, int]:
    """Verify link by link. Returns how far the chain goes in each table."""
    previous: ChainLink | None = None
    upto: dict[str, int] = {}
    for link in ChainLink.objects.order_by("number").iterator(chunk_size=100):
        found.wrong += _follows(previous, link)
        source = sources().get(link.label)
        if source is None:
            found.wrong.append(f"link {link.number}: the table of {link.label} is gone")
        else:
            found.wrong += _rows(source, upto.get(link.label, 0), link)
        if str(link) in heads:
            heads[str(link)] = True
        upto[link.label] = link.upto
        found.links += 1
        found.rows += len(link.numbers)
        found.head = str(link)
        previous = link
    missing = [head for head, seen in heads.items() if not seen]
    found.wrong += [f"the head {head} is not in the chain" for head in missing]
    return upto


def _follows(previous: ChainLink | None, link: ChainLink) -> Iterator[str]:
    expected = previous.number + 1 if previous else 1
    if link.number != expected:
        yield f"link {expected} is missing before link {link.number}"
    before = bytes(previous.hash) if previous else bytes(len(bytes(link.previous)))
    if bytes(link.previous) != before:
        yield f"link {link.number} does not follow the link before it"
    told = hash_of(
        number=link.number,
        at=link.at,
        label=link.label,
        columns=link.columns,
        numbers=link.numbers,
        upto=link.upto,
        digests=bytes(link.digests),
        previous=bytes(link.previous),
    )
    if told != bytes(link.hash):
        yield f"link {link.number} was changed"


def _rows(source: Source, after: int, link: ChainLink) -> Iterator[str]:
    rows: dict[int, Row] = dict(rows_between(source, after, link.upto, _ALL))
    salts = salts_of(source, rows)
    for number, digest in zip(link.numbers, split(bytes(link.digests)), strict=False):
        row = rows.pop(number, None)
        where = f"{source.label} {source.order} {number} (link {link.number})"
        if row is None:
            yield f"{where} is missing"
        elif gone := [name for name in link.columns if name not in row]:
            yield f"{where} cannot be verified: it has no column {', '.join(gone)} any more"
        elif digest_of(row, link.columns, sealed(row, source, salts.get(number))) != digest:
            yield f"{where} was changed"
    for number in rows:
        yield f"{source.label} {source.order} {number} was inserted before link {link.number}"


def _count_after(source: Source, number: int) -> int:
    query = sql.SQL("SELECT count(*) FROM {table} WHERE {order} > %s").format(
        order=sql.Identifier(source.order), table=sql.Identifier(source.table)
    )
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(), [number])
        return int(cursor.fetchone()[0])
