from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built while the portal is used

    dependencies = [
        ('redemption', '0011_notes_snoozes_and_letters_again'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='incident',
            index=models.Index(condition=models.Q(('status', 'RESOLVED'), _negated=True), fields=['created_at', 'id'], name='incident_oldest'),
        ),
        AddIndexConcurrently(
            model_name='loyaltytransaction',
            index=models.Index(condition=models.Q(('status__in', ['INTENDED', 'SENT', 'UNKNOWN', 'NEEDS_REVIEW']), models.Q(('doubt', ''), _negated=True), _connector='OR'), fields=['created_at', 'id'], name='transaction_open'),
        ),
    ]
