"""A migration that waits for a lock holds nobody up, and runs once it gets it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import errors

from tests.support.stack import Databases
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
# As the portal waits for a lock (configuration/environment.py: 5 s), a little less.
PATIENCE = "4s"
WAITS = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE 'ALTER TABLE redemption_order%'"
COLUMN = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'redemption_order' AND column_name = 'later_note'"


class Buyers:
    """Ask for orders, one after the other, until they are told to stop."""

    def __init__(self, database: str, patience: str = PATIENCE) -> None:
        self._database = database
        self._patience = patience
        self._stop = threading.Event()
        self.served = 0
        self.refused = 0

    def ask(self) -> None:
        with psycopg.connect(self._database, autocommit=True) as link:
            link.execute(f"SET lock_timeout = '{self._patience}'".encode())
            while not self._stop.is_set():
                try:
                    link.execute("SELECT status FROM redemption_order LIMIT 1")
                    self.served += 1
                except errors.LockNotAvailable:
                    self.refused += 1

    @contextmanager
    def asking(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()


@contextmanager
def long_report(database: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A transaction that has read the orders and does not end."""
    with psycopg.connect(database) as link:
        link.execute("SELECT count(*) FROM redemption_order")
        yield link
        link.rollback()


def told(database: str, query: str) -> object:
    with psycopg.connect(database, autocommit=True) as link:
        row = link.execute(query.encode()).fetchone()
    return row and row[0]


def test_a_migration_that_waits_for_a_lock_gives_way_to_buyers_and_tries_again(
    databases: Databases, tmp_path: Path
) -> None:
    database = databases.create()
    buyers = Buyers(database)
    log = tmp_path / "migrate.log"
    environment = {
        **os.environ,
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "tests.production.stores.settings_later",
    }
    command = [sys.executable, "manage.py", "migrate", "later"]
    with buyers.asking(), long_report(database) as report, log.open("wb") as output:
        migrate = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            eventually(lambda: "gave way" in log.read_text(), "it gives way", within=300)
            assert told(database, COLUMN) == 0
            assert migrate.poll() is None
            report.rollback()
            assert migrate.wait(300) == 0, log.read_text()
        finally:
            migrate.kill()
            migrate.wait()
    assert told(database, COLUMN) == 1
    # no transaction of a migration is ended because a slow machine thinks
    assert told(database, "SELECT allowed FROM later_idle") == "0"
    assert buyers.served > 0
    assert buyers.refused == 0


def test_a_migration_that_waits_for_as_long_as_it_takes_holds_all_buyers_up(
    databases: Databases,
) -> None:
    """The control: the same statement without the limit."""
    database = databases.create()
    buyers = Buyers(database, patience="1s")  # however long, none of them is served

    def alter() -> None:
        with psycopg.connect(database) as link:
            link.execute("SET lock_timeout = 0")
            link.execute("ALTER TABLE redemption_order ADD COLUMN later_note varchar(10)")

    with long_report(database) as report:
        waiting = threading.Thread(target=alter)
        waiting.start()
        eventually(lambda: told(database, WAITS), "it waits")
        with buyers.asking():
            eventually(lambda: buyers.refused >= 3, "each buyer is refused", within=120)
        report.rollback()
        waiting.join()
    assert buyers.served == 0
