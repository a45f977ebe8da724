"""The index by which rare kinds of letters are listed."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('redemption', '0035_incidents_listed_by_index'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='letter',
            index=models.Index(condition=models.Q(('kind__in', ('confirmed', 'shipped', 'delivered')), _negated=True), fields=['kind', '-id'], name='letter_of_rare_kind'),
        ),
    ]
