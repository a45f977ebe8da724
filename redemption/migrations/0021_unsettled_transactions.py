"""The index over debits that are not settled holds corrections too; nobody who writes is stopped."""

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
