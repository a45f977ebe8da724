import django.db.models.deletion
import django.db.models.expressions
import loyalty_portal.data.ids
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0008_people_and_groups_have_a_history'),
        ('catalog', '0008_product_views'),
        ('redemption', '0017_report_schedules'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='LineReturn',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('units', models.PositiveIntegerField(verbose_name='units')),
                ('to', models.CharField(choices=[('STOCK', 'Back to the stock'), ('WRITTEN_OFF', 'Written off')], max_length=12, verbose_name='where they went')),
                ('reason', models.CharField(max_length=255, verbose_name='reason')),
                ('recorded_at', models.DateTimeField(auto_now_add=True, verbose_name='came back')),
                ('decided_at', models.DateTimeField(blank=True, null=True)),
                ('credited', models.PositiveIntegerField(blank=True, null=True, verbose_name='units credited')),
            ],
            options={
                'verbose_name': 'return',
                'verbose_name_plural': 'returns',
                'ordering': ['recorded_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='LineUnits',
            fields=[
            ],
            options={
                'verbose_name': 'units of a line',
                'verbose_name_plural': 'returns and credits',
                'proxy': True,
                'default_permissions': ('view',),
                'indexes': [],
                'constraints': [],
            },
            bases=('redemption.orderitem',),
        ),
        migrations.AlterModelOptions(
            name='orderitem',
            options={'ordering': ['id'], 'permissions': [('decide_delivery', 'Can propose, and for others confirm, what became of a delivery'), ('resend_codes', 'Can have the codes of a line sent again for its company'), ('credit_units', 'Can give points of some units back, or propose it above the limit'), ('decide_credit', 'Can decide about points of units: returns, and what others propose')], 'verbose_name': 'order item', 'verbose_name_plural': 'order items'},
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='decision',
            name='write_offs_within_credits',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='loyaltytransaction',
            name='credits_within_debit',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='loyaltytransaction',
            name='corrections_within_credits',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='loyaltytransaction',
            name='replaced_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='loyaltytransaction',
            name='delete_delete',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='orderitem',
            name='replaced_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='orderitem',
            name='delete_delete',
        ),
        migrations.RemoveConstraint(
            model_name='decision',
            name='decided_by_somebody',
        ),
        migrations.RemoveConstraint(
            model_name='decision',
            name='decision_verdict_known',
        ),
        migrations.AddField(
            model_name='decision',
            name='alone_up_to',
            field=models.PositiveBigIntegerField(blank=True, help_text='If one person decided: the points up to which that was allowed.', null=True),
        ),
        migrations.AddField(
            model_name='loyaltytransaction',
            name='units',
            field=models.PositiveIntegerField(blank=True, help_text='For how many units a credit or correction is. Empty: of a version before.', null=True, verbose_name='units'),
        ),
        migrations.AddField(
            model_name='loyaltytransactionchange',
            name='units',
            field=models.PositiveIntegerField(blank=True, help_text='For how many units a credit or correction is. Empty: of a version before.', null=True, verbose_name='units'),
        ),
        migrations.AddField(
            model_name='orderitem',
            name='quantity_credited',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Of the refunded units, those that were or will be supplied all the same.', verbose_name='credited all the same'),
        ),
        migrations.AddField(
            model_name='orderitem',
            name='quantity_returned',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Delivered units that came back. People decide about their points.', verbose_name='came back'),
        ),
        migrations.AddField(
            model_name='orderitemchange',
            name='quantity_credited',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Of the refunded units, those that were or will be supplied all the same.', verbose_name='credited all the same'),
        ),
        migrations.AddField(
            model_name='orderitemchange',
            name='quantity_returned',
            field=models.PositiveIntegerField(db_default=0, default=0, help_text='Delivered units that came back. People decide about their points.', verbose_name='came back'),
        ),
        migrations.AlterField(
            model_name='decision',
            name='units',
            field=models.PositiveIntegerField(blank=True, help_text='The number of units that it is about.', null=True, verbose_name='units'),
        ),
        migrations.AlterField(
            model_name='decision',
            name='verdict',
            field=models.CharField(choices=[('TOOK_PLACE', 'It took place'), ('DID_NOT', 'It did not take place; give it up'), ('ASK_AGAIN', 'It did not take place; ask again'), ('DELIVERED', 'The partner delivered it'), ('UNDELIVERED', 'The partner did not deliver it'), ('CODES', 'The codes were wrong; give the right ones'), ('CREDIT', 'It was not delivered; give the points back'), ('CORRECTION', 'It was delivered; take the points again, as the company agreed'), ('WRITE_OFF', 'It was delivered; leave the points with the company'), ('CREDIT_UNITS', 'Give the points of these units back'), ('RETURNED', 'It came back; give the points of so many units back')], max_length=12, verbose_name='verdict'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='decision',
            trigger=pgtrigger.compiler.Trigger(name='write_offs_within_credits', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."status" = \'CONFIRMED\' AND NEW."verdict" = \'WRITE_OFF\')', func="\n    PERFORM 1 FROM redemption_order\n        WHERE id = (SELECT order_id FROM order_item WHERE id = NEW.item_id) FOR NO KEY UPDATE;\n    IF COALESCE((\n            SELECT SUM(d.units) FROM redemption_decision d\n            WHERE d.item_id = NEW.item_id AND d.id <> NEW.id\n              AND d.verdict = 'WRITE_OFF' AND d.status = 'CONFIRMED'\n        ), 0) + NEW.units > COALESCE((\n            SELECT SUM(CASE t.transaction_type WHEN 'CREDIT' THEN t.points_amount\n                                               ELSE -t.points_amount END) / i.points_per_item\n            FROM order_item i JOIN loyalty_transaction t ON t.item_id = i.id\n            WHERE i.id = NEW.item_id AND t.status <> 'REFUSED' GROUP BY i.points_per_item\n        ), 0) - (SELECT quantity_credited FROM order_item WHERE id = NEW.item_id)\n    THEN\n        RAISE EXCEPTION 'write-offs of line % would exceed its credits', NEW.item_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'write_offs_within_credits';\n    END IF;\n    RETURN NEW;\n", hash='da619c725ecdd6aa31d53b1fe16edbe157849f5a', operation='INSERT OR UPDATE', pgid='pgtrigger_write_offs_within_credits_106ff', table='redemption_decision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='decision',
            trigger=pgtrigger.compiler.Trigger(name='credited_alone_within_limit', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."decided_by_id" IS NULL AND NEW."status" = \'CONFIRMED\' AND NEW."units" > 0 AND NEW."verdict" IN (\'CREDIT_UNITS\', \'RETURNED\'))', func="\n    PERFORM 1 FROM redemption_order\n        WHERE id = (SELECT order_id FROM order_item WHERE id = NEW.item_id) FOR NO KEY UPDATE;\n    IF NOT COALESCE((\n            SELECT SUM(d.units::bigint * i.points_per_item)\n            FROM redemption_decision d JOIN order_item i ON i.id = d.item_id\n            WHERE i.order_id = (SELECT order_id FROM order_item WHERE id = NEW.item_id)\n              AND d.id <> NEW.id AND d.status = 'CONFIRMED' AND d.decided_by_id IS NULL\n              AND d.verdict IN ('CREDIT_UNITS', 'RETURNED')\n        ), 0) + (\n            SELECT NEW.units::bigint * points_per_item FROM order_item WHERE id = NEW.item_id\n        ) <= NEW.alone_up_to\n    THEN\n        RAISE EXCEPTION 'one person alone would credit too much of the order of line %', NEW.item_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'credited_alone_within_limit';\n    END IF;\n    RETURN NEW;\n", hash='0798740f8aa9019a3df42a0e02070d46d2c14a3a', operation='INSERT OR UPDATE', pgid='pgtrigger_credited_alone_within_limit_66d9f', table='redemption_decision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='decision',
            trigger=pgtrigger.compiler.Trigger(name='return_decided_by_others', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."verdict" = \'RETURNED\')', func="\n    IF NOT EXISTS (\n            SELECT 1 FROM redemption_linereturn r\n            WHERE r.id = NEW.returned_id AND r.item_id = NEW.item_id AND NEW.units <= r.units\n              AND r.recorded_by_id IS DISTINCT FROM NEW.proposed_by_id\n              AND (r.recorded_by_id IS DISTINCT FROM NEW.decided_by_id OR r.recorded_by_id IS NULL)\n        )\n    THEN\n        RAISE EXCEPTION 'return % is decided about by others, for its units', NEW.returned_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'return_decided_by_others';\n    END IF;\n    RETURN NEW;\n", hash='b05811af8f32f848c93d4083c699064b2382be2b', operation='INSERT OR UPDATE', pgid='pgtrigger_return_decided_by_others_758dc', table='redemption_decision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='loyaltytransaction',
            trigger=pgtrigger.compiler.Trigger(name='credits_within_debit', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."transaction_type" = \'CREDIT\')', func="\n    PERFORM 1 FROM redemption_order WHERE id = NEW.order_id FOR NO KEY UPDATE;\n    IF NEW.points_amount + COALESCE((\n            SELECT SUM(points_amount) FROM loyalty_transaction\n            WHERE original_id = NEW.original_id AND transaction_type = 'CREDIT'\n        ), 0) > COALESCE((\n            SELECT points_amount FROM loyalty_transaction\n            WHERE order_id = NEW.order_id AND id = NEW.original_id AND status = 'SUCCEEDED'\n              AND (transaction_type = 'DEBIT'\n                   OR transaction_type = 'CORRECTION' AND item_id = NEW.item_id)\n        ), 0)\n    THEN\n        RAISE EXCEPTION 'credits of order % would exceed its debit', NEW.order_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'credits_within_debit';\n    END IF;\n    IF NEW.item_id IS NOT NULL AND (\n            SELECT NEW.points_amount + COALESCE(SUM(\n                CASE t.transaction_type WHEN 'CREDIT' THEN t.points_amount\n                                        ELSE -t.points_amount END\n            ), 0) > i.quantity::bigint * i.points_per_item\n                OR NEW.points_amount <> COALESCE(\n                    NEW.units::bigint * i.points_per_item, NEW.points_amount)\n            FROM order_item i LEFT JOIN loyalty_transaction t ON t.item_id = i.id\n                AND (t.transaction_type = 'CREDIT'\n                     OR t.transaction_type = 'CORRECTION' AND t.status = 'SUCCEEDED')\n            WHERE i.id = NEW.item_id GROUP BY i.quantity, i.points_per_item)\n    THEN\n        RAISE EXCEPTION 'a credit of line % is not for units that it has', NEW.item_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'credits_within_line';\n    END IF;\n    RETURN NEW;\n", hash='cb834e3941365a3245b176777f25f1f7fec5e7f2', operation='INSERT', pgid='pgtrigger_credits_within_debit_40ffd', table='loyalty_transaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='loyaltytransaction',
            trigger=pgtrigger.compiler.Trigger(name='corrections_within_credits', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."transaction_type" = \'CORRECTION\')', func="\n    PERFORM 1 FROM redemption_order WHERE id = NEW.order_id FOR NO KEY UPDATE;\n    IF NOT EXISTS (\n            SELECT 1 FROM redemption_decision\n            WHERE id = NEW.decision_id AND item_id = NEW.item_id\n              AND verdict = 'CORRECTION' AND status = 'CONFIRMED'\n        ) OR NEW.points_amount + COALESCE((\n            SELECT SUM(points_amount) FROM loyalty_transaction\n            WHERE item_id = NEW.item_id AND transaction_type = 'CORRECTION'\n              AND status <> 'REFUSED'\n        ), 0) + COALESCE((\n            SELECT SUM(d.units * i.points_per_item)\n            FROM redemption_decision d JOIN order_item i ON i.id = d.item_id\n            WHERE i.id = NEW.item_id AND d.verdict = 'WRITE_OFF' AND d.status = 'CONFIRMED'\n        ), 0) > COALESCE((\n            SELECT SUM(points_amount) FROM loyalty_transaction\n            WHERE item_id = NEW.item_id AND transaction_type = 'CREDIT' AND status = 'SUCCEEDED'\n        ), 0) - (\n            SELECT quantity_credited * points_per_item FROM order_item WHERE id = NEW.item_id\n        )\n    THEN\n        RAISE EXCEPTION 'corrections of line % would exceed its credits', NEW.item_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'corrections_within_credits';\n    END IF;\n    RETURN NEW;\n", hash='517b9a6a973492e8dd8151141ea820d778786ec7', operation='INSERT', pgid='pgtrigger_corrections_within_credits_a5381', table='loyalty_transaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='loyaltytransaction',
            trigger=pgtrigger.compiler.Trigger(name='replaced_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."answer_code" IS DISTINCT FROM (NEW."answer_code") OR OLD."answer_detail" IS DISTINCT FROM (NEW."answer_detail") OR OLD."answer_status" IS DISTINCT FROM (NEW."answer_status") OR OLD."company_id" IS DISTINCT FROM (NEW."company_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."decision_id" IS DISTINCT FROM (NEW."decision_id") OR OLD."external_transaction_id" IS DISTINCT FROM (NEW."external_transaction_id") OR OLD."first_sent_at" IS DISTINCT FROM (NEW."first_sent_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."item_id" IS DISTINCT FROM (NEW."item_id") OR OLD."key" IS DISTINCT FROM (NEW."key") OR OLD."order_id" IS DISTINCT FROM (NEW."order_id") OR OLD."original_id" IS DISTINCT FROM (NEW."original_id") OR OLD."points_amount" IS DISTINCT FROM (NEW."points_amount") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."settled_at" IS DISTINCT FROM (NEW."settled_at") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."transaction_type" IS DISTINCT FROM (NEW."transaction_type") OR OLD."units" IS DISTINCT FROM (NEW."units"))', func='INSERT INTO "redemption_loyaltytransactionchange" ("answer_code", "answer_detail", "answer_status", "company_id", "created_at", "decision_id", "external_transaction_id", "first_sent_at", "id", "item_id", "key", "order_id", "original_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_amount", "reason", "settled_at", "status", "transaction_type", "units") VALUES (OLD."answer_code", OLD."answer_detail", OLD."answer_status", OLD."company_id", OLD."created_at", OLD."decision_id", OLD."external_transaction_id", OLD."first_sent_at", OLD."id", OLD."item_id", OLD."key", OLD."order_id", OLD."original_id", _pgh_attach_context(), NOW(), \'replaced\', OLD."id", OLD."points_amount", OLD."reason", OLD."settled_at", OLD."status", OLD."transaction_type", OLD."units"); RETURN NULL;', hash='cf53746140da9536c35094ec530060728aa5f797', operation='UPDATE', pgid='pgtrigger_replaced_update_0ed23', table='loyalty_transaction', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='loyaltytransaction',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "redemption_loyaltytransactionchange" ("answer_code", "answer_detail", "answer_status", "company_id", "created_at", "decision_id", "external_transaction_id", "first_sent_at", "id", "item_id", "key", "order_id", "original_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_amount", "reason", "settled_at", "status", "transaction_type", "units") VALUES (OLD."answer_code", OLD."answer_detail", OLD."answer_status", OLD."company_id", OLD."created_at", OLD."decision_id", OLD."external_transaction_id", OLD."first_sent_at", OLD."id", OLD."item_id", OLD."key", OLD."order_id", OLD."original_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."points_amount", OLD."reason", OLD."settled_at", OLD."status", OLD."transaction_type", OLD."units"); RETURN NULL;', hash='d6d8743f398dcca21bcd1d244b18a4c0eb4397b7', operation='DELETE', pgid='pgtrigger_delete_delete_25b01', table='loyalty_transaction', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='orderitem',
            trigger=pgtrigger.compiler.Trigger(name='returned_as_a_whole', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."fulfillment_status" = \'RETURNED\' AND NEW."quantity_returned" = 0)', func='\n    NEW.quantity_returned := NEW.quantity_delivered;\n    NEW.quantity_credited := LEAST(NEW.quantity_delivered, NEW.quantity_refunded);\n    RETURN NEW;\n', hash='97eb24588477ffd63bfcd5435187ecb443c78d5c', operation='UPDATE', pgid='pgtrigger_returned_as_a_whole_13e9b', table='order_item', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='orderitem',
            trigger=pgtrigger.compiler.Trigger(name='replaced_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "redemption_orderitemchange" ("address_line1", "address_line2", "city", "country", "fulfillment_status", "id", "message", "order_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_per_item", "postcode", "product_id", "product_name", "quantity", "quantity_credited", "quantity_delivered", "quantity_refunded", "quantity_returned", "recipient_email", "recipient_name", "recipient_phone", "region", "sku", "waits_for", "waits_until") VALUES (OLD."address_line1", OLD."address_line2", OLD."city", OLD."country", OLD."fulfillment_status", OLD."id", OLD."message", OLD."order_id", _pgh_attach_context(), NOW(), \'replaced\', OLD."id", OLD."points_per_item", OLD."postcode", OLD."product_id", OLD."product_name", OLD."quantity", OLD."quantity_credited", OLD."quantity_delivered", OLD."quantity_refunded", OLD."quantity_returned", OLD."recipient_email", OLD."recipient_name", OLD."recipient_phone", OLD."region", OLD."sku", OLD."waits_for", OLD."waits_until"); RETURN NULL;', hash='e334be0f39fd86c5a5b6bfa837e322526e984f1b', operation='UPDATE', pgid='pgtrigger_replaced_update_920ec', table='order_item', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='orderitem',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "redemption_orderitemchange" ("address_line1", "address_line2", "city", "country", "fulfillment_status", "id", "message", "order_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_per_item", "postcode", "product_id", "product_name", "quantity", "quantity_credited", "quantity_delivered", "quantity_refunded", "quantity_returned", "recipient_email", "recipient_name", "recipient_phone", "region", "sku", "waits_for", "waits_until") VALUES (OLD."address_line1", OLD."address_line2", OLD."city", OLD."country", OLD."fulfillment_status", OLD."id", OLD."message", OLD."order_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."points_per_item", OLD."postcode", OLD."product_id", OLD."product_name", OLD."quantity", OLD."quantity_credited", OLD."quantity_delivered", OLD."quantity_refunded", OLD."quantity_returned", OLD."recipient_email", OLD."recipient_name", OLD."recipient_phone", OLD."region", OLD."sku", OLD."waits_for", OLD."waits_until"); RETURN NULL;', hash='a574f69016c71e4b88597ffeec4ed053d59191e3', operation='DELETE', pgid='pgtrigger_delete_delete_a0cd2', table='order_item', when='AFTER')),
        ),
        AddConstraintNotValid(
            model_name='loyaltytransaction',
            constraint=models.CheckConstraint(condition=models.Q(('units', None), models.Q(('units__gt', 0), models.Q(('transaction_type', 'DEBIT'), _negated=True)), _connector='OR'), name='credit_is_for_units'),
        ),
        AddConstraintNotValid(
            model_name='orderitem',
            constraint=models.CheckConstraint(condition=models.Q(('quantity_delivered__gte', models.F('quantity_returned')), ('quantity_refunded__gte', models.F('quantity_credited'))), name='item_returned_of_delivered'),
        ),
        AddConstraintNotValid(
            model_name='orderitem',
            constraint=models.CheckConstraint(condition=models.Q(('quantity__gte', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('quantity_delivered'), '+', models.F('quantity_refunded')), '-', models.F('quantity_credited')))), name='item_supplied_or_not'),
        ),
        migrations.AddField(
            model_name='linereturn',
            name='item',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='returns', to='redemption.orderitem'),
        ),
        migrations.AddField(
            model_name='linereturn',
            name='recorded_by',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='decision',
            name='returned',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='decisions', to='redemption.linereturn'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ['CONFIRMED', 'REJECTED']), _negated=True), models.Q(('decided_at__isnull', False), ('decided_by__isnull', False)), models.Q(('alone_up_to__isnull', False), ('decided_at__isnull', False), ('status', 'CONFIRMED'), ('verdict__in', ('CREDIT_UNITS', 'RETURNED'))), _connector='OR'), name='decided_by_somebody'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.UniqueConstraint(models.F('returned'), condition=models.Q(('status', 'CONFIRMED')), name='one_decision_a_return'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('returned__isnull', True), ('units__gt', 0), ('verdict', 'CREDIT_UNITS')), models.Q(('returned__isnull', False), ('units__isnull', False), ('verdict', 'RETURNED')), models.Q(models.Q(('verdict__in', ('CREDIT_UNITS', 'RETURNED')), _negated=True), ('alone_up_to__isnull', True), ('returned__isnull', True)), _connector='OR'), name='decision_names_its_units'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('item__isnull', True), ('transaction__isnull', False), ('verdict__in', ('TOOK_PLACE', 'DID_NOT', 'ASK_AGAIN'))), models.Q(('item__isnull', False), ('transaction__isnull', True), ('verdict__in', ('DELIVERED', 'UNDELIVERED', 'CODES', 'CREDIT', 'CORRECTION', 'WRITE_OFF', 'CREDIT_UNITS', 'RETURNED'))), _connector='OR'), name='decision_verdict_known'),
        ),
        migrations.AddIndex(
            model_name='linereturn',
            index=models.Index(condition=models.Q(('decided_at__isnull', True)), fields=['recorded_at'], name='return_due'),
        ),
        migrations.AddConstraint(
            model_name='linereturn',
            constraint=models.CheckConstraint(condition=models.Q(('to__in', ['STOCK', 'WRITTEN_OFF']), ('units__gt', 0)), name='return_of_units'),
        ),
        migrations.AddConstraint(
            model_name='linereturn',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('credited__isnull', True), ('decided_at__isnull', True)), models.Q(('credited__lte', models.F('units')), ('decided_at__isnull', False)), _connector='OR'), name='return_decided_about_its_units'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='linereturn',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay_as_they_are', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NOT (OLD."decided_at" IS NULL))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='fd33fab35571cc9f8d155bffeee302306f284c52', operation='UPDATE', pgid='pgtrigger_rows_stay_as_they_are_ed208', table='redemption_linereturn', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='linereturn',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='c7f16a07eefe39bcd70d00489b159908528356b8', operation='DELETE', pgid='pgtrigger_rows_stay_e5558', table='redemption_linereturn', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='linereturn',
            trigger=pgtrigger.compiler.Trigger(name='table_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN\n        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='aeeb968e371715af0b0adf51f95b9709b365b311', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_table_stays_a1663', table='redemption_linereturn', when='BEFORE')),
        ),
    ]
