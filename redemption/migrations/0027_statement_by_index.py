from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('redemption', '0026_which_request'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='loyaltytransaction',
            index=models.Index(condition=models.Q(('status', 'SUCCEEDED')), fields=['company', 'settled_at', 'id'], include=['points_amount', 'transaction_type'], name='transaction_statement'),
        ),
    ]
