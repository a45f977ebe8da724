"""`manage.py migrate`: Django's own, except that it refuses a database from before 0.2.0."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

# Every version before 0.2.0 applied it, and no later one has it. Those versions named their first
# migrations as 0.2.0 does, so Django would take the old tables for the new ones.
BEFORE = ("redemption", "0002_desk_permissions")
REFUSAL = (
    "This database was made by a version before 0.2.0, which this version cannot use, and nothing "
    "in it was changed: run `make clean`, which removes the demo's data, and start again, or name "
    "another, empty database in DATABASE_URL."
)


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        recorder = MigrationRecorder(connections[options["database"]])
        if BEFORE in recorder.applied_migrations():
            raise CommandError(REFUSAL)
        return super().handle(*args, **options)
