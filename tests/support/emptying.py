"""Empties the tables after a test that commits, much quicker than Django does it.

Django truncates every table, which makes new files of each, and lets `post_migrate` write all
content types and permissions again. Here only tables with rows are emptied, and those two stay.
"""

from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import TransactionTestCase

STAY = (Permission._meta.db_table, ContentType._meta.db_table)
EMPTY = """
DO $$
DECLARE
    name text;
    found boolean;
BEGIN
    -- Foreign keys and the triggers that keep history are not looked at: all rows go.
    SET LOCAL session_replication_role = replica;
    FOREACH name IN ARRAY ARRAY[{names}] LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO found;
        IF found THEN
            EXECUTE format('DELETE FROM %I', name);
        END IF;
    END LOOP;
END $$
"""


class QuickEmptying:
    """Takes the place of a TransactionTestCase's own emptying.

    The first time, and whenever what stays was changed by a test, it is Django's after all; so it
    is for a database user who may not set `session_replication_role`.
    """

    def __init__(self) -> None:
        self._djangos = TransactionTestCase._fixture_teardown
        self._stays = ""  # what the rows that stay look like

    def install(self) -> None:
        def empty(case: TransactionTestCase) -> None:
            self.empty(case)

        TransactionTestCase._fixture_teardown = empty  # type: ignore[method-assign]

    def empty(self, case: TransactionTestCase) -> None:
        if self._stays and self._look() == self._stays:
            self._delete()
            return
        self._djangos(case)
        self._stays = self._look()

    def _look(self) -> str:
        """Empty where the rows may not be deleted in this way."""
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
