"""A parcel has lines. The version before goes on writing parcels of one line: a trigger adds the line."""

import django.db.models.deletion
import loyalty_portal.data.ids
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fulfillment', '0007_event_times'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ShipmentLine',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('quantity', models.PositiveIntegerField(verbose_name='quantity')),
            ],
            options={
                'ordering': ['shipment_id', 'fulfillment_id'],
            },
        ),
        migrations.AlterModelOptions(
            name='fulfillment',
            options={'ordering': ['promised_by', 'id'], 'permissions': [('work_desk', 'Can claim, pack, ship and settle at the desk'), ('take_over_work', 'Can take over what a colleague at the desk has claimed'), ('assign_work', 'Can give work at the desk to a colleague')], 'verbose_name': 'fulfillment', 'verbose_name_plural': 'fulfillments'},
        ),
        migrations.AddField(
            model_name='fulfillment',
            name='claimed_until',
            field=models.DateTimeField(blank=True, help_text='When the claim ends by itself.', null=True, verbose_name='claimed until'),
        ),
        migrations.AddField(
            model_name='fulfillment',
            name='hold_reason',
            field=models.CharField(blank=True, db_default='', default='', help_text='Why it is not to be sent now. Empty: it is not on hold.', max_length=255, verbose_name='put on hold'),
        ),
        migrations.AddField(
            model_name='fulfillment',
            name='parcel_key',
            field=models.CharField(blank=True, db_default='', default='', editable=False, help_text='What is sent together has the same: a digest of order and recipient.', max_length=64),
        ),
        migrations.AddField(
            model_name='fulfillment',
            name='quantity_picked',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Open units that were fetched from the shelf.', verbose_name='picked'),
        ),
        migrations.AlterField(
            model_name='shipment',
            name='fulfillment',
            field=models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='fulfillment.fulfillment'),
        ),
        migrations.AlterField(
            model_name='shipment',
            name='quantity',
            field=models.PositiveIntegerField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='shipmentline',
            name='fulfillment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='shipment_lines', to='fulfillment.fulfillment'),
        ),
        migrations.AddField(
            model_name='shipmentline',
            name='shipment',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='lines', to='fulfillment.shipment'),
        ),
        migrations.AddField(
            model_name='shipment',
            name='fulfillments',
            field=models.ManyToManyField(related_name='shipments', through='fulfillment.ShipmentLine', to='fulfillment.fulfillment'),
        ),
        migrations.AddConstraint(
            model_name='shipmentline',
            constraint=models.UniqueConstraint(models.F('shipment'), models.F('fulfillment'), name='one_line_a_parcel'),
        ),
        migrations.AddConstraint(
            model_name='shipmentline',
            constraint=models.CheckConstraint(condition=models.Q(('quantity__gt', 0)), name='shipmentline_not_empty'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='shipment',
            trigger=pgtrigger.compiler.Trigger(name='line_of_the_version_before', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."fulfillment_id" IS NOT NULL)', func='\n    INSERT INTO fulfillment_shipmentline (id, shipment_id, fulfillment_id, quantity)\n    VALUES (gen_random_uuid(), NEW.id, NEW.fulfillment_id, NEW.quantity);\n    RETURN NULL;\n', hash='6466ce06369d64119fd25ef44067e787b8102dfc', operation='INSERT', pgid='pgtrigger_line_of_the_version_before_8edf2', table='fulfillment_shipment', when='AFTER')),
        ),
    ]
