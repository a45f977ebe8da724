"""The indexes by which the lists of the back office are searched and sorted."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('audit', '0011_people_and_rules'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='trailentry',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('what'), 'text_pattern_ops'), condition=models.Q(('what', ''), _negated=True), name='trail_what'),
        ),
        AddIndexConcurrently(
            model_name='trailentry',
            index=models.Index(condition=models.Q(('key', ''), _negated=True), fields=['key', '-id'], name='trail_key'),
        ),
    ]
