"""The indexes by which the back office lists products of a kind, by name."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('catalog', '0016_sorted_by_redeemed'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('is_active', False)), fields=['name', 'id'], name='product_off_by_name'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('stock_status__in', ['LOW', 'OUT'])), fields=['stock_status', 'name', 'id'], name='product_short_by_name'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(fields=['category', 'name', 'id'], name='product_category_by_name'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(models.F('name'), models.F('id'), condition=models.Q(('product_type', 'VIRTUAL')), name='product_virtual_by_name'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('minimum_tier__in', ['SILVER', 'GOLD', 'PLATINUM'])), fields=['minimum_tier', 'name', 'id'], name='product_tier_by_name'),
        ),
    ]
