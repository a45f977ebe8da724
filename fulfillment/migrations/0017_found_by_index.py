"""The index by which what is at the partner is listed by its status."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('fulfillment', '0016_searched_by_index'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='fulfillment',
            index=models.Index(condition=models.Q(('channel', 'PARTNER'), models.Q(('status', 'DELIVERED'), _negated=True)), fields=['status', 'reference'], name='fulfillment_at_partner'),
        ),
    ]
