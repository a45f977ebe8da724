"""Measures pages of the back office in one database, for benchmarks/admin/__main__.py.

Reads from each line of standard input, as JSON, the name of a page and whether to look how its
queries are answered. Answers with one line of JSON: how long it took and what it asked of the
database. The first line that it prints has all names.
"""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django
from django.http import HttpResponse

django.setup()

from django.db import connection
from django.test import Client

from accounts.models import User
from tests.accounts.second_factor import ProvedForce
from tests.support.admin_pages import admin_pages

# Rows from which reading a table or an index from end to end is told. PostgreSQL reads 10,000 people
# in a millisecond, and chooses that where an index serves as well.
LARGE = 100_000
# What takes all rows before it gives any, so that no LIMIT above it ends what is below.
TAKES_ALL = {"Aggregate", "Hash", "Materialize", "Sort", "WindowAgg"}
OF_AN_INDEX = {"Index Only Scan", "Index Scan"}
# These sum up all stock that there is, so no index has less to read.
SUMS_ALL = ("report: stock",)
Query = tuple[str, Any]


@contextmanager
def recorded() -> Iterator[tuple[list[Query], list[float]]]:
    """The queries, and how long each took, in seconds."""
    queries: list[Query] = []
    spent: list[float] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        queries.append((sql, params))
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append(time.perf_counter() - started)

    with connection.execute_wrapper(record):
        yield queries, spent


def scans(queries: list[Query]) -> Iterator[str]:
    """The large tables and indexes that a query reads from end to end, to count them or for a row
    that an index could find.
    """
    for sql, params in queries:
        left = list(params or ())
        for statement in sql.split(";\n"):  # those that are read together
            own = [left.pop(0) for _each in range(statement.count("%s"))]
            if not statement.lstrip().upper().startswith(("SELECT", "WITH", "(SELECT")):
                continue
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", own)
                plan = cursor.fetchone()[0]
            plan = json.loads(plan) if isinstance(plan, str) else plan
            yield from _scanned(plan[0]["Plan"], statement, None)


def _scanned(node: dict[str, Any], sql: str, most: float | None) -> Iterator[str]:
    """`most`: so many rows of the node are wanted; None for all. A scan ends early where it finds
    more than are wanted.
    """
    kind = node["Node Type"]
    if kind == "Limit":
        most = node["Plan Rows"]
    elif kind in TAKES_ALL:
        most = None
    whole = kind == "Seq Scan" or (kind in OF_AN_INDEX and "Index Cond" not in node)
    if whole and (most is None or node["Plan Rows"] < most):
        read = node["Index Name"] if kind in OF_AN_INDEX else node["Relation Name"]
        if _rows(read) > LARGE:
            yield f"{read}: {re.sub(r'SELECT .* FROM', 'SELECT … FROM', sql)[:300]}"
    for below in node.get("Plans", ()):
        yield from _scanned(below, sql, most)


def _rows(relation: str) -> int:
    """How many rows PostgreSQL thinks that a table or an index has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = %s", [relation])
        return int(cursor.fetchone()[0])


def measure(
    client: Client, name: str, page: Callable[[Client], HttpResponse], *, look: bool
) -> dict[str, Any]:
    with recorded() as (queries, spent):
        started = time.perf_counter()
        answer = page(client)
        if hasattr(answer, "render"):
            answer.render()
        seconds = time.perf_counter() - started
    asking = sum(spent)
    shown = (getattr(answer, "context_data", None) or {}).get("cl")
    looked_at = queries if look and not name.startswith(SUMS_ALL) else []
    return {
        "status": answer.status_code,
        "ms": seconds * 1000,
        "asking": asking * 1000,
        "rows": len(shown.result_list) if shown else 0,
        "queries": len(queries),
        "scans": sorted(set(scans(looked_at))),
    }


def main() -> None:
    ProvedForce().install()
    client = Client(SERVER_NAME="127.0.0.1")
    person = User.objects.filter(is_superuser=True)[0]
    client.force_login(person)
    known = admin_pages(person)
    print(json.dumps(list(known)), flush=True)
    for line in sys.stdin:
        name, look = json.loads(line)
        print(json.dumps(measure(client, name, known[name], look=look)), flush=True)


if __name__ == "__main__":
    main()
