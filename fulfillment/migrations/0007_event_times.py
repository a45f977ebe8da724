"""An index by which reports find what happened in a span of time."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ("fulfillment", "0006_calls_to_send_again"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="fulfillmentevent",
            index=BrinIndex(autosummarize=True, fields=["at"], name="fulfillment_event_times", pages_per_range=16),
        ),
    ]
