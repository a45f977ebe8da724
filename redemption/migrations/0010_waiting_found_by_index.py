from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('accounts', '0004_clearer_labels'),
        ('redemption', '0009_search'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='callback',
            index=models.Index(condition=models.Q(('state__in', ['PARKED', 'PUZZLING'])), fields=['-received_at'], name='callback_puzzling'),
        ),
        AddIndexConcurrently(
            model_name='letter',
            index=models.Index(condition=models.Q(('sent_at__isnull', True), models.Q(('problem', ''), _negated=True)), fields=['created_at'], name='letter_troubled'),
        ),
        AddIndexConcurrently(
            model_name='loyaltytransaction',
            index=models.Index(condition=models.Q(('status__in', ['UNKNOWN', 'NEEDS_REVIEW'])), fields=['-created_at'], name='transaction_unclear'),
        ),
    ]
