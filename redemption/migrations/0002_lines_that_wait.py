"""Columns for lines that wait. The table stays open: 0003 checks the rows that it has."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0001_initial'),
        ('redemption', '0001_initial'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='orderitem',
            name='replaced_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='orderitem',
            name='delete_delete',
        ),
        migrations.AddField(
            model_name='orderitem',
            name='message',
            field=models.CharField(blank=True, db_default='', default='', max_length=500, verbose_name='message to the recipient'),
        ),
        migrations.AddField(
            model_name='orderitem',
            name='waits_for',
            field=models.CharField(blank=True, choices=[('DATE', 'A date'), ('RECIPIENT', "The recipient's answer")], db_default='', default='', help_text='What it waits for, or waited for, before it is passed on. Empty: nothing.', max_length=10, verbose_name='waits for'),
        ),
        migrations.AddField(
            model_name='orderitem',
            name='waits_until',
            field=models.DateTimeField(blank=True, help_text="When it is sent, or when the time for the recipient's answer ends.", null=True, verbose_name='waits until'),
        ),
        migrations.AddField(
            model_name='orderitemchange',
            name='message',
            field=models.CharField(blank=True, db_default='', default='', max_length=500, verbose_name='message to the recipient'),
        ),
        migrations.AddField(
            model_name='orderitemchange',
            name='waits_for',
            field=models.CharField(blank=True, choices=[('DATE', 'A date'), ('RECIPIENT', "The recipient's answer")], db_default='', default='', help_text='What it waits for, or waited for, before it is passed on. Empty: nothing.', max_length=10, verbose_name='waits for'),
        ),
        migrations.AddField(
            model_name='orderitemchange',
            name='waits_until',
            field=models.DateTimeField(blank=True, help_text="When it is sent, or when the time for the recipient's answer ends.", null=True, verbose_name='waits until'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='orderitem',
            trigger=pgtrigger.compiler.Trigger(name='replaced_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "redemption_orderitemchange" ("address_line1", "address_line2", "city", "country", "fulfillment_status", "id", "message", "order_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_per_item", "postcode", "product_id", "product_name", "quantity", "quantity_delivered", "quantity_refunded", "recipient_email", "recipient_name", "recipient_phone", "region", "sku", "waits_for", "waits_until") VALUES (OLD."address_line1", OLD."address_line2", OLD."city", OLD."country", OLD."fulfillment_status", OLD."id", OLD."message", OLD."order_id", _pgh_attach_context(), NOW(), \'replaced\', OLD."id", OLD."points_per_item", OLD."postcode", OLD."product_id", OLD."product_name", OLD."quantity", OLD."quantity_delivered", OLD."quantity_refunded", OLD."recipient_email", OLD."recipient_name", OLD."recipient_phone", OLD."region", OLD."sku", OLD."waits_for", OLD."waits_until"); RETURN NULL;', hash='bca676fa762156d25b941d99689a65c44f700053', operation='UPDATE', pgid='pgtrigger_replaced_update_920ec', table='order_item', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='orderitem',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "redemption_orderitemchange" ("address_line1", "address_line2", "city", "country", "fulfillment_status", "id", "message", "order_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_per_item", "postcode", "product_id", "product_name", "quantity", "quantity_delivered", "quantity_refunded", "recipient_email", "recipient_name", "recipient_phone", "region", "sku", "waits_for", "waits_until") VALUES (OLD."address_line1", OLD."address_line2", OLD."city", OLD."country", OLD."fulfillment_status", OLD."id", OLD."message", OLD."order_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."points_per_item", OLD."postcode", OLD."product_id", OLD."product_name", OLD."quantity", OLD."quantity_delivered", OLD."quantity_refunded", OLD."recipient_email", OLD."recipient_name", OLD."recipient_phone", OLD."region", OLD."sku", OLD."waits_for", OLD."waits_until"); RETURN NULL;', hash='082e112d9bdb0677b503ddd03b8297359cc175e6', operation='DELETE', pgid='pgtrigger_delete_delete_a0cd2', table='order_item', when='AFTER')),
        ),
        AddConstraintNotValid(
            model_name='orderitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('waits_for', ''), ('waits_until', None)), models.Q(('waits_for', 'DATE'), ('waits_until__isnull', False)), ('waits_for', 'RECIPIENT'), _connector='OR'), name='item_wait_known'),
        ),
        AddConstraintNotValid(
            model_name='orderitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('recipient_name', ''), _negated=True), models.Q(('fulfillment_status__in', ['WAITING', 'CANCELLED']), ('waits_for', 'RECIPIENT')), _connector='OR'), name='item_has_recipient'),
        ),
    ]
