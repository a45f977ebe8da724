"""Rebuilds the index over unsettled debits to contain corrections, without blocking writes."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("redemption", "0020_debit_of_a_credit")]

    operations = [
        AddIndexConcurrently(
            model_name="loyaltytransaction",
            index=models.Index(
                condition=models.Q(
                    ("status__in", ["INTENDED", "SENT", "UNKNOWN", "NEEDS_REVIEW"]),
                    ("transaction_type__in", ["DEBIT", "CORRECTION"]),
                ),
                fields=["company"],
                name="transaction_unsettled",
            ),
        ),
        RemoveIndexConcurrently(
            model_name="loyaltytransaction", name="transaction_in_flight"
        ),
    ]
