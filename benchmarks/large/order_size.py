"""`make bench-size`: what one order costs the database until its line is delivered.

Prints rows, bytes and write-ahead log of an order of one virtual line, with its letters, events and
history, as the median over rounds. docs/scaling.md counts with these figures.
"""

import os
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from benchmarks.__main__ import database, environment, python
from benchmarks.large.orders import wait_for
from benchmarks.saga.__main__ import start_partners, start_workers
from loyalty_portal.local.embedded import Services

ORDERS = int(os.environ.get("BENCH_ORDERS", "500"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_STATE = "SELECT pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn"


class State(NamedTuple):
    """The database at a moment: bytes, bytes of log ever written, rows by table."""

    size: int
    log: int
    rows: dict[str, int]


def state(address: str) -> State:
    with psycopg.connect(address, autocommit=True) as link:
        size, log = link.execute(_STATE).fetchone() or (0, 0)
        rows = {}
        for (table,) in link.execute(_TABLES).fetchall():
            counting = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            rows[table] = int((link.execute(counting).fetchone() or (0,))[0])
    return State(int(size), int(log), rows)


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        partner = start_partners(stack)
        env = environment(shared, folder) | {
            "DATABASE_URL": database(shared["DATABASE_URL"], "bench_size"),
            "LOYALTY_API_URL": partner,
            "FULFILLMENT_API_URL": partner,
            "EMAIL_URL": "dummymail://",
        }
        address = env["DATABASE_URL"]
        python("manage.py", "migrate", "-v0", env=env)
        start_workers(stack, env)
        found: list[tuple[float, float, float]] = []
        for number in range(ROUNDS + 1):  # the first fills empty pages, and does not count
            before = state(address)
            python("-m", "benchmarks.saga.prepare", "lines", "1", str(ORDERS), env=env)
            python("-m", "benchmarks.saga.prepare", "nudge", "1", env=env)
            wait_for(address, (number + 1) * ORDERS)
            after = state(address)
            rows = {name: count - before.rows[name] for name, count in after.rows.items()}
            each = (
                sum(rows.values()) / ORDERS,
                (after.size - before.size) / ORDERS / 1024,
                (after.log - before.log) / ORDERS / 1024,
            )
            print(f"round {number}: {each[0]:.1f} rows, {each[1]:.1f} KB, {each[2]:.1f} KB of log")
            if number:
                found.append(each)
        most = sorted(rows.items(), key=lambda row: -row[1])[:12]
        print("rows by table:", ", ".join(f"{name} {count / ORDERS:.1f}" for name, count in most))
        rows_each, size, log = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"one order: {rows_each:.0f} rows, {size:.0f} KB, {log:.0f} KB of log")


if __name__ == "__main__":
    main()
