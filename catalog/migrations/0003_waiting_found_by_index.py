from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('catalog', '0002_clearer_labels'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('is_active', True), ('stock_status__in', ['LOW', 'OUT'])), fields=['stock_status'], name='product_short'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('available_until__isnull', False), ('is_active', True)), fields=['available_until'], name='product_offer_ends'),
        ),
    ]
