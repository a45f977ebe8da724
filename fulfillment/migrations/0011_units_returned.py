import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fulfillment', '0010_parcels_indexed'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='fulfillment',
            name='quantity_returned',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Delivered units that the recipient sent back.', verbose_name='came back'),
        ),
        migrations.AddField(
            model_name='fulfillment',
            name='quantity_written_off',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Units that came back and did not go to the stock again.', verbose_name='written off'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='fulfillment',
            trigger=pgtrigger.compiler.Trigger(name='returned_as_a_whole', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."quantity_returned" = 0 AND NEW."status" = \'RETURNED\')', func='\n    NEW.quantity_returned := NEW.quantity_delivered;\n    NEW.quantity_written_off := NEW.quantity_delivered;\n    RETURN NEW;\n', hash='d91b899f0611266f2abb93d59aa58e20f4eb9f6f', operation='UPDATE', pgid='pgtrigger_returned_as_a_whole_67141', table='fulfillment_fulfillment', when='BEFORE')),
        ),
        AddConstraintNotValid(
            model_name='fulfillment',
            constraint=models.CheckConstraint(condition=models.Q(('quantity_delivered__gte', models.F('quantity_returned')), ('quantity_returned__gte', models.F('quantity_written_off'))), name='fulfillment_returned_of_delivered'),
        ),
    ]
