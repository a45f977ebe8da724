"""The index by which open orders are counted."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ("redemption", "0024_secrets_made_by_calls"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='redemptionorder',
            index=models.Index(condition=models.Q(('status__in', ['AWAITING_APPROVAL', 'PENDING', 'CONFIRMED', 'IN_FULFILLMENT', 'CANCELLING'])), fields=['status'], name='order_open'),
        ),
    ]
