"""Moves what happened into the past, here and in the partner's ledger."""

import sqlite3
from datetime import timedelta

import pgtrigger
from django.db import connection

from tests.support.sandbox_process import SandboxProcess


def make_older(sandbox: SandboxProcess, age: timedelta) -> None:
    """Move all transactions, entries and companies into the past by `age`."""
    with pgtrigger.ignore(), connection.cursor() as cursor:
        for column in ("created_at", "first_sent_at", "settled_at"):
            cursor.execute(
                f"UPDATE loyalty_transaction SET {column} = {column} - %s::interval", [str(age)]
            )
        cursor.execute("UPDATE company SET created_at = created_at - %s::interval", [str(age)])
    _write(sandbox, f"UPDATE entry SET created_at = {earlier(age)}")  # it may be empty


def make_orders_older(age: timedelta, *, which: str = "true") -> None:
    """Move these orders (a condition in SQL) and the steps until now into the past by `age`."""
    with pgtrigger.ignore(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE redemption_orderevent SET at = at - %s::interval WHERE order_id IN"
            f" (SELECT id FROM redemption_order WHERE {which})",
            [str(age)],
        )
        cursor.execute(
            f"UPDATE redemption_order SET created_at = created_at - %s::interval WHERE {which}",
            [str(age)],
        )


def earlier(age: timedelta) -> str:
    """The SQL of the sandbox's database for an entry's time, earlier by `age`."""
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', created_at, '{-int(age.total_seconds()):+d} seconds')"


def in_ledger(sandbox: SandboxProcess, sql: str, *values: object) -> None:
    """Change the partner's ledger directly with SQL. It must change something."""
    assert _write(sandbox, sql, *values) > 0


def _write(sandbox: SandboxProcess, sql: str, *values: object) -> int:
    with sqlite3.connect(sandbox.data_dir / "sandbox.sqlite3", timeout=10) as books:
        changed = books.execute(sql, values).rowcount
    books.close()
    return changed
