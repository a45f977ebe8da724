"""The indexes by which the lists of the back office are searched, filtered and sorted."""

from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('fulfillment', '0015_correct_recipient'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='fulfillment',
            index=models.Index(condition=models.Q(('channel', 'DESK')), fields=['promised_by', 'id'], name='fulfillment_promised'),
        ),
        AddIndexConcurrently(
            model_name='shipment',
            index=models.Index(condition=models.Q(('delivered_at__isnull', True)), fields=['-id'], name='shipment_on_its_way'),
        ),
    ]
