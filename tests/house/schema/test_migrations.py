"""A migration may run while the old version serves, so it must not remove what that needs.

And those of a release stay as they are (docs/decisions/0034-migrations-only-grow.md).
"""

import hashlib
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

ROOMS = {"accounts", "catalog", "inventory", "fulfillment", "redemption"}
# By the beginning of their SHA-256. A new release adds the files that it brings.
RELEASED = {
    "accounts.0001_initial": "8f38f8fde74b2892",
    "accounts.0002_trail_stays": "3c0ce46bf6a96dd7",
    "catalog.0001_initial": "dadb43309dc2ac18",
    "fulfillment.0001_initial": "f01ebb0e23028041",
    "inventory.0001_initial": "2fda0393e7089ec0",
    "redemption.0001_initial": "30e6ba38bf3b374e",
}
TAKES_AWAY = (
    operations.DeleteModel,
    operations.RemoveField,
    operations.RenameField,
    operations.RenameModel,
    operations.AlterModelTable,
)


def later_steps() -> Iterator[tuple[str, Operation, set[str]]]:
    """Each operation after a room's first migration, with the tables that its migration creates."""
    for (room, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        if room not in ROOMS or migration.initial:
            continue
        made = {
            step.name.lower()
            for step in migration.operations
            if isinstance(step, operations.CreateModel)
        }
        for step in migration.operations:
            yield f"{room}.{name}: {step.describe()}", step, made


STEPS = list(later_steps())


@pytest.mark.parametrize(("told", "step", "made"), STEPS, ids=[told for told, *_ in STEPS])
def test_the_version_before_can_go_on_beside_it(told: str, step: Operation, made: set[str]) -> None:
    assert not isinstance(step, TAKES_AWAY), f"{told}: the version before still uses it"
    if getattr(step, "model_name", "").lower() in made:
        return  # the old version does not know a new table
    if isinstance(step, operations.AddField):
        field = step.field
        filled = field.null or field.has_db_default() or isinstance(field, models.ManyToManyField)
        assert filled, f"{told}: the version before inserts rows without it (give a db_default)"
    if isinstance(step, operations.AddIndex):
        assert isinstance(step, AddIndexConcurrently), f"{told}: would block writes"


@pytest.mark.parametrize("name", RELEASED)
def test_what_a_release_contains_is_never_edited(name: str) -> None:
    room, _, module = name.partition(".")
    text = (settings.BASE_DIR / room / "migrations" / f"{module}.py").read_bytes()
    assert hashlib.sha256(text).hexdigest().startswith(RELEASED[name]), "add a migration instead"


def test_every_key_of_ours_has_more_than_32_bits() -> None:
    keys = {
        model._meta.label: model._meta.pk.db_type(connection)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in ROOMS and not model._meta.proxy
    }
    assert set(keys.values()) == {"uuid", "bigint"}, keys
