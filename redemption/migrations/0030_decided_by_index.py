"""The index by which the orders of a company that were decided on are listed."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ("redemption", "0029_approvals_told"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='redemptionorder',
            index=models.Index(condition=models.Q(('approve_by__isnull', False)), fields=['company', '-approve_by'], name='order_decided'),
        ),
    ]
