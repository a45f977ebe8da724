"""The index by which PostgreSQL lists first what is redeemed most."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('catalog', '0015_history_of_more_models'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('is_active', True), ('is_card', True)), fields=['-popularity', '-id'], name='product_shown_by_redeemed'),
        ),
    ]
