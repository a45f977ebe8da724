"""The indexes by which the lists of the back office are searched and sorted."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('catalog', '0011_kept_by_seats'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='family',
            index=models.Index(fields=['name', 'id'], name='family_by_name'),
        ),
        AddIndexConcurrently(
            model_name='family',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', config='simple'), name='family_words'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(fields=['name', 'id'], name='product_by_name'),
        ),
    ]
