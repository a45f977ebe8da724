import django.db.models.functions.comparison
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('feed', '0003_numbered_for_companies'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='feeditem',
            index=models.Index(models.F('company'), django.db.models.functions.comparison.Coalesce('company_sequence', 'sequence', output_field=models.BigIntegerField()), name='feed_item_by_place'),
        ),
    ]
