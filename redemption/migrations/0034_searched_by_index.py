"""The indexes by which the lists of the back office are searched, filtered and sorted."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.functions.text
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('accounts', '0027_searched_by_index'),
        ('redemption', '0033_text_messages'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='callback',
            index=models.Index(condition=models.Q(('state', 'RECEIVED')), fields=['-id'], name='callback_received'),
        ),
        AddIndexConcurrently(
            model_name='incident',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('what', 'key', config='simple'), name='incident_words'),
        ),
        AddIndexConcurrently(
            model_name='incidentcase',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('what', 'key', config='simple'), name='incident_case_words'),
        ),
        AddIndexConcurrently(
            model_name='letter',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('to'), 'text_pattern_ops'), name='letter_to'),
        ),
        AddIndexConcurrently(
            model_name='letter',
            index=models.Index(condition=models.Q(('sent_at__isnull', True)), fields=['-id'], name='letter_unsent'),
        ),
        AddIndexConcurrently(
            model_name='loyaltytransaction',
            index=models.Index(condition=models.Q(('status', 'REFUSED')), fields=['-id'], name='transaction_refused'),
        ),
        AddIndexConcurrently(
            model_name='loyaltytransaction',
            index=models.Index(condition=models.Q(('transaction_type', 'DEBIT'), _negated=True), fields=['transaction_type', '-id'], name='transaction_no_debit'),
        ),
        AddIndexConcurrently(
            model_name='reconciliation',
            index=models.Index(fields=['outcome', '-id'], name='reconciliation_by_outcome'),
        ),
        AddIndexConcurrently(
            model_name='redemptionorder',
            index=models.Index(condition=models.Q(('status__in', ['DECLINED', 'REJECTED', 'EXPIRED', 'CANCELLED'])), fields=['status', '-created_at', '-id'], name='order_ended_without'),
        ),
        AddIndexConcurrently(
            model_name='webhookendpoint',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('url', config='simple'), name='endpoint_words'),
        ),
    ]
