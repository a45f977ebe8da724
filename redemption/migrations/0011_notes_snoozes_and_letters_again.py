import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.lookups
import loyalty_portal.data.ids
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('redemption', '0010_waiting_found_by_index'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='OrderNote',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('text', models.TextField(max_length=2000, verbose_name='note')),
                ('at', models.DateTimeField(auto_now_add=True, verbose_name='written')),
            ],
            options={
                'verbose_name': 'note about an order',
                'verbose_name_plural': 'notes about orders',
                'ordering': ['at', 'id'],
                'default_permissions': ('add', 'view'),
            },
        ),
        migrations.AlterModelOptions(
            name='letter',
            options={'ordering': ['created_at', 'id'], 'permissions': [('send_letter_again', 'Can have a letter sent once more')], 'verbose_name': 'letter', 'verbose_name_plural': 'letters'},
        ),
        migrations.AlterModelOptions(
            name='orderitem',
            options={'ordering': ['id'], 'permissions': [('decide_delivery', 'Can propose, and for others confirm, what became of a delivery'), ('resend_codes', 'Can have the codes of a line sent again for its company')], 'verbose_name': 'order item', 'verbose_name_plural': 'order items'},
        ),
        migrations.AddField(
            model_name='incident',
            name='snoozed_until',
            field=models.DateTimeField(blank=True, help_text='It is left out of the list of work until then, or until it happens again.', null=True, verbose_name='snoozed until'),
        ),
        migrations.AddField(
            model_name='incident',
            name='snoozed_why',
            field=models.CharField(blank=True, db_default='', default='', max_length=255, verbose_name='why snoozed'),
        ),
        migrations.AddField(
            model_name='letter',
            name='again_of',
            field=models.ForeignKey(blank=True, db_index=False, help_text='The letter that staff had sent once more.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='redemption.letter'),
        ),
        migrations.AlterField(
            model_name='letter',
            name='kind',
            field=models.CharField(choices=[('confirmed', 'Order confirmed'), ('shipped', 'Shipped'), ('delivered', 'Delivered'), ('cancelled', 'Cancelled'), ('refunded', 'Points given back'), ('declined', 'Declined'), ('corrected', 'Put right'), ('digest', 'News'), ('resent', 'Codes sent again')], max_length=20, verbose_name='letter'),
        ),
        migrations.AddConstraint(
            model_name='incident',
            constraint=models.CheckConstraint(condition=models.Q(('snoozed_until', None), models.Q(('snoozed_why', ''), _negated=True), _connector='OR'), name='incident_snoozed_with_a_reason'),
        ),
        migrations.AddField(
            model_name='ordernote',
            name='by',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='ordernote',
            name='order',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='staff_notes', to='redemption.redemptionorder'),
        ),
        migrations.AddConstraint(
            model_name='ordernote',
            constraint=models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='order_note_not_empty'),
        ),
        migrations.AddConstraint(
            model_name='ordernote',
            constraint=models.CheckConstraint(condition=django.db.models.lookups.LessThanOrEqual(django.db.models.functions.text.Length('text'), 2000), name='order_note_not_too_long'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ordernote',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay_as_they_are', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='e04f84d4ca2c75b51b3e0193e262875b2c2f61e6', operation='UPDATE', pgid='pgtrigger_rows_stay_as_they_are_299e3', table='redemption_ordernote', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ordernote',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='bd0a8ee6e0577a6ffae5ff6c3db94a8e62a7f0ea', operation='DELETE', pgid='pgtrigger_rows_stay_7d8f8', table='redemption_ordernote', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='ordernote',
            trigger=pgtrigger.compiler.Trigger(name='table_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN\n        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='93f5118083c2ef4f282bdd3c75303d47e400069d', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_table_stays_7d618', table='redemption_ordernote', when='BEFORE')),
        ),
    ]
