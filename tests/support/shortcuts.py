"""Shortcuts for tests: a password hash that costs nothing, and tables that are emptied quickly.

After a test that commits, Django truncates every table, which creates new files for each, and
`post_migrate` then writes all content types and permissions again. Here only tables with rows are
emptied, and those two keep theirs.
"""

from typing import Any

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import TransactionTestCase

STAY = (Permission._meta.db_table, ContentType._meta.db_table)
CASE: Any = TransactionTestCase  # its types do not know what is replaced here
EMPTY = """
DO $$
DECLARE
    name text;
    found boolean;
BEGIN
    -- No foreign key is checked and no trigger that protects history fires: all rows go.
    SET LOCAL session_replication_role = replica;
    FOREACH name IN ARRAY ARRAY[{names}] LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO found;
        IF found THEN
            EXECUTE format('DELETE FROM %I', name);
        END IF;
    END LOOP;
END $$
"""


class QuickHasher(PBKDF2PasswordHasher):
    """Hashes with few iterations. The real hash takes half a second, and tests make hundreds of
    users.
    """

    iterations = 1


class QuickEmptying:
    """Replaces how a TransactionTestCase empties the tables.

    Django's own way is used the first time, after a test that changed content types or permissions,
    and for a database user who may not set `session_replication_role`.
    """

    def __init__(self) -> None:
        self._djangos = CASE._fixture_teardown
        self._stays = ""  # a digest of the rows that stay

    def install(self) -> None:
        def empty(case: TransactionTestCase) -> None:
            self.empty(case)

        CASE._fixture_teardown = empty

    def empty(self, case: TransactionTestCase) -> None:
        if self._stays and self._look() == self._stays:
            self._delete()
            return
        self._djangos(case)
        self._stays = self._look()

    def _look(self) -> str:
        """A digest of the rows to keep; "" if the database user may not use this faster way."""
        digests = [
            f"(SELECT md5(string_agg(each::text, '|' ORDER BY id)) FROM {table} each)"
            for table in STAY
        ]
        may = "(SELECT rolsuper FROM pg_roles WHERE rolname = current_user)"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {may}, concat({', '.join(digests)})")
            [[allowed, digest]] = cursor.fetchall()
        return digest if allowed else ""

    def _delete(self) -> None:
        tables = connection.introspection.django_table_names(only_existing=False)
        names = ", ".join(f"'{table}'" for table in sorted(set(tables) - set(STAY)))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(EMPTY.format(names=names))
