"""The indexes by which the rows of a preview are shown."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('catalog', '0013_rows_foreseen'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='importrow',
            index=models.Index(condition=models.Q(('foreseen__isnull', False)), fields=['job', 'foreseen', 'id'], name='import_row_foreseen'),
        ),
        AddIndexConcurrently(
            model_name='importrow',
            index=models.Index(condition=models.Q(('data__isnull', True)), fields=['job', 'id'], name='import_row_wrong'),
        ),
    ]
