import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('redemption', '0007_rows_of_a_draft'),
    ]

    operations = [
        migrations.CreateModel(
            name='LineWait',
            fields=[
                ('attempts', models.PositiveIntegerField(default=0)),
                ('raised', models.PositiveSmallIntegerField(db_default=0, default=0, editable=False, help_text='Consecutive tries that raised an exception.')),
                ('next_attempt_at', models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), null=True)),
                ('lease_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('lease_token', models.UUIDField(blank=True, editable=False, null=True)),
                ('item', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='wait', serialize=False, to='redemption.orderitem')),
                ('ended_at', models.DateTimeField(blank=True, help_text='When the line was passed on, or ended.', null=True)),
            ],
            options={
                'verbose_name': 'wait of a line',
                'verbose_name_plural': 'waits of lines',
            },
        ),
        migrations.AlterField(
            model_name='orderitem',
            name='waits_until',
            field=models.DateTimeField(blank=True, help_text='When it is sent, or the time for an answer ends; later, when it ended.', null=True, verbose_name='waits until'),
        ),
        migrations.AlterField(
            model_name='orderitemchange',
            name='waits_until',
            field=models.DateTimeField(blank=True, help_text='When it is sent, or the time for an answer ends; later, when it ended.', null=True, verbose_name='waits until'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='orderitem',
            trigger=pgtrigger.compiler.Trigger(name='not_before_its_time', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."fulfillment_status" IN (\'QUEUED\', \'REQUESTED\') AND OLD."fulfillment_status" = \'WAITING\')', func="\n    IF NEW.waits_until > clock_timestamp() THEN\n        RAISE EXCEPTION 'Line % waits until %', NEW.id, NEW.waits_until;\n    END IF;\n    RETURN NEW;\n", hash='13a8ae3c397b6266fc4e402a79c47fa3ccb9d775', operation='UPDATE', pgid='pgtrigger_not_before_its_time_0a3e3', table='order_item', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='linewait',
            index=models.Index(models.F('next_attempt_at'), condition=models.Q(('next_attempt_at__isnull', False)), name='line_wait_due'),
        ),
    ]
