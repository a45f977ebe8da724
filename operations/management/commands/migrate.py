"""`manage.py migrate`: Django's own, which waits for no lock while others wait behind it, and
refuses a database from before 0.2.0.
"""

import time
from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder
from psycopg.errors import LockNotAvailable

# Every version before 0.2.0 applied it, and no later one has it. Those versions named their first
# migrations as 0.2.0 does, so Django would take the old tables for the new ones.
BEFORE = ("redemption", "0002_desk_permissions")
REFUSAL = (
    "This database was made by a version before 0.2.0, which this version cannot use, and nothing "
    "in it was changed: run `make clean`, which removes the demo's data, and start again, or name "
    "another, empty database in DATABASE_URL."
)
# Every statement on a table queues behind a migration that waits for its lock, so it waits shortly,
# gives way, and tries again. What it had done is rolled back.
LOCK_SECONDS = 2
PAUSE_SECONDS = 5.0
TRIES = 30
IN_USE = (
    "A table is in use by a long transaction; the migration gave way, and tries again ({} of {})."
)
GAVE_UP = (
    "The migration never got its lock, and was rolled back; those before it stay. Find who holds "
    "it (pg_stat_activity: the oldest xact_start), end that, and run migrate again."
)


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        self._link = connections[options["database"]]
        recorder = MigrationRecorder(self._link)
        if BEFORE in recorder.applied_migrations():
            raise CommandError(REFUSAL)
        for attempt in range(1, TRIES + 1):
            try:
                return super().handle(*args, **options)
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
            self.stderr.write(IN_USE.format(attempt, TRIES))
            time.sleep(PAUSE_SECONDS)
        raise CommandError(GAVE_UP)

    def migration_progress_callback(
        self, action: str, migration: Migration | None = None, fake: bool = False
    ) -> None:
        super().migration_progress_callback(action, migration, fake)
        if action == "apply_start" and migration is not None:
            # What runs outside a transaction waits for others without holding anybody up, as
            # CREATE INDEX CONCURRENTLY does, and cannot be rolled back.
            seconds = LOCK_SECONDS if migration.atomic else 0
            with self._link.cursor() as cursor:
                cursor.execute(f"SET lock_timeout = '{seconds}s'")
                # Between its statements it builds models, on a slow machine for over a minute.
                cursor.execute("SET idle_in_transaction_session_timeout = 0")
