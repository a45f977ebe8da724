"""The sandbox's SQLite file. What was answered is stored, even after `kill -9`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
    account_id TEXT PRIMARY KEY,
    opening INTEGER NOT NULL,
    balance INTEGER NOT NULL CHECK (balance >= 0),
    blocked INTEGER NOT NULL DEFAULT 0,
    expiring TEXT NOT NULL DEFAULT '[]'
);
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    transaction_id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL CHECK (type IN ('debit', 'credit')),
    account_id TEXT NOT NULL REFERENCES account,
    points INTEGER NOT NULL CHECK (points > 0),
    reference TEXT NOT NULL,
    original_transaction_id TEXT,
    balance_after INTEGER NOT NULL CHECK (balance_after >= 0),
    created_at TEXT NOT NULL,
    idempotency_key TEXT,
    kind TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS entry_statement ON entry (account_id, created_at, seq);
CREATE INDEX IF NOT EXISTS entry_reference ON entry (reference);
CREATE INDEX IF NOT EXISTS entry_original ON entry (original_transaction_id);
CREATE TABLE IF NOT EXISTS answer (
    api TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint TEXT,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (api, idempotency_key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fulfillment (
    fulfillment_id TEXT PRIMARY KEY,
    reference TEXT NOT NULL UNIQUE,
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT,
    deliverables TEXT,
    notify INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    due_at REAL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    idempotency_key TEXT
);
CREATE INDEX IF NOT EXISTS fulfillment_due ON fulfillment (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS event (
    event_id TEXT PRIMARY KEY,
    fulfillment_id TEXT NOT NULL,
    reference TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at REAL NOT NULL,
    due_at REAL NOT NULL,
    after_id TEXT,
    copies INTEGER NOT NULL DEFAULT 1,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_status INTEGER,
    done INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS event_due ON event (due_at) WHERE done = 0;
CREATE TABLE IF NOT EXISTS token (token TEXT PRIMARY KEY, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS dial (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS receiver (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS receiver_secret (secret TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS text_message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    number TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    sequence INTEGER,
    verified INTEGER NOT NULL,
    answer TEXT NOT NULL
);
"""


# Of the company's own system, and of the provider of text messages.
_OWN = ("receiver", "receiver_secret", "message", "text_message")


class Store:
    """One SQLite connection, used from one thread. Every change needs `write()`."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # WAL with NORMAL loses nothing when the process dies. A power cut may lose the last
        # commits, which a sandbox can accept to avoid an fsync for each debit.
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + SCHEMA)
        # A file of an older sandbox lacks these columns.
        there = {row["name"] for row in self.rows("PRAGMA table_info(entry)")}
        for name in {"kind", "description"} - there:
            self._db.execute(f"ALTER TABLE entry ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self._db.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return found

    def number(self, sql: str, *values: object) -> int:
        """The single number that a query returns; 0 for none."""
        found = self.row(sql, *values)
        return int(found[0] or 0) if found else 0

    def run(self, sql: str, *values: object) -> int:
        """Run one statement inside `write()`. Returns the number of changed rows."""
        return self._db.execute(sql, values).rowcount

    @contextmanager
    def write(self) -> Iterator[None]:
        """A transaction around the block."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def empty(self) -> None:
        """Delete everything except the tokens, which are no part of the ledger."""
        with self.write():
            for table in ("event", "fulfillment", "answer", "entry", "account", "dial", *_OWN):
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names from the line above

    def close(self) -> None:
        self._db.close()
