"""Creates the index over disputed numbers without blocking writes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("redemption", "0014_number_of_another")]

    operations = [
        AddIndexConcurrently(
            model_name="loyaltytransaction",
            index=models.Index(
                condition=models.Q(("disputed_id", ""), _negated=True),
                fields=["disputed_id"],
                name="transaction_disputed",
            ),
        ),
    ]
