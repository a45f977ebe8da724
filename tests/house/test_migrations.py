"""A migration may run while the old version serves, so it must not remove what that needs."""

from collections.abc import Iterator

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import models
from django.db.migrations import operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

ROOMS = {"accounts", "catalog", "inventory", "fulfillment", "redemption"}
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
