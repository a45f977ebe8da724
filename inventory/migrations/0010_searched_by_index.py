"""The index by which documents of the stock are searched."""

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('inventory', '0009_which_request'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='stockdocument',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('reference'), name='text_pattern_ops'), condition=models.Q(('reference', ''), _negated=True), name='stock_document_reference'),
        ),
    ]
