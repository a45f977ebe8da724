"""The indexes by which the lists of the back office are searched and sorted."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('accounts', '0026_text_messages'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='address',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('recipient_name', 'city', 'postcode', config='simple'), name='address_words'),
        ),
        AddIndexConcurrently(
            model_name='apikey',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', config='simple'), name='apikey_words'),
        ),
        AddIndexConcurrently(
            model_name='company',
            index=models.Index(fields=['name', 'id'], name='company_by_name'),
        ),
        AddIndexConcurrently(
            model_name='company',
            index=models.Index(django.db.models.functions.text.Upper('name'), name='company_any_case'),
        ),
        AddIndexConcurrently(
            model_name='invitation',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('email'), 'text_pattern_ops'), name='invitation_email'),
        ),
        AddIndexConcurrently(
            model_name='personletter',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('to'), 'text_pattern_ops'), name='person_letter_to'),
        ),
    ]
