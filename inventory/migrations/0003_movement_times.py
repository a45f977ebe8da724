"""An index by which reports find what happened in a span of time."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ("inventory", "0002_clearer_labels"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="stockmovement",
            index=BrinIndex(autosummarize=True, fields=["created_at"], name="movement_times", pages_per_range=16),
        ),
    ]
