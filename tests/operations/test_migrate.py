"""`manage.py migrate` and a database that a version before 0.2.0 made."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.django_db
# Some of those that the versions before 0.2.0 applied, by their names.
BEFORE = {
    "accounts": ("0001_initial", "0002_countries_as_codes"),
    "catalog": ("0001_initial", "0002_search_and_shelves"),
    "fulfillment": ("0001_initial", "0002_desk_permissions"),
    "inventory": ("0001_initial", "0002_desk_permissions"),
    "redemption": ("0001_initial", "0002_desk_permissions"),
}


def test_a_database_from_before_0_2_0_is_refused_in_a_sentence_and_left_alone() -> None:
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app__in=BEFORE).delete()
    for room, names in BEFORE.items():
        for name in names:
            recorder.record_applied(room, name)
    recorded = set(recorder.applied_migrations())
    with pytest.raises(
        CommandError, match=r"before 0\.2\.0.+nothing in it.+`make clean`"
    ) as refused:
        call_command("migrate", verbosity=0)
    assert "\n" not in str(refused.value)
    assert set(recorder.applied_migrations()) == recorded


def test_a_database_of_this_version_is_migrated_as_ever() -> None:
    call_command("migrate", verbosity=0)
