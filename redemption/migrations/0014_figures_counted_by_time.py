"""Indexes by which reports and lists find orders, events and open credits."""

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ("redemption", "0013_figures"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='loyaltytransaction',
            index=models.Index(condition=models.Q(('status__in', ['INTENDED', 'SENT', 'UNKNOWN', 'NEEDS_REVIEW']), ('transaction_type', 'CREDIT')), fields=['company'], name='credit_unsettled'),
        ),
        AddIndexConcurrently(
            model_name='orderevent',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['at'], name='order_event_times', pages_per_range=16),
        ),
        AddIndexConcurrently(
            model_name='redemptionorder',
            index=models.Index(fields=['-created_at', '-id'], name='order_by_age'),
        ),
    ]
