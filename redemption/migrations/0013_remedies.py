import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('redemption', '0012_incident_cases'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='loyaltytransaction',
            name='delete_delete',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='loyaltytransaction',
            name='replaced_update',
        ),
        migrations.RemoveConstraint(
            model_name='decision',
            name='decision_verdict_known',
        ),
        migrations.RemoveConstraint(
            model_name='loyaltytransaction',
            name='credit_names_its_debit',
        ),
        migrations.AddField(
            model_name='decision',
            name='agreed_by',
            field=models.CharField(blank=True, db_default='', help_text='Of the company.', max_length=200, verbose_name='agreed by'),
        ),
        migrations.AddField(
            model_name='decision',
            name='agreed_on',
            field=models.DateField(blank=True, null=True, verbose_name='agreed on'),
        ),
        migrations.AddField(
            model_name='decision',
            name='found',
            field=models.JSONField(blank=True, help_text="Of a remedy: the partner's answer, without a code.", null=True),
        ),
        migrations.AddField(
            model_name='decision',
            name='units',
            field=models.PositiveIntegerField(blank=True, help_text='Of a remedy: how many it is about.', null=True, verbose_name='units'),
        ),
        migrations.AddField(
            model_name='loyaltytransaction',
            name='decision',
            field=models.OneToOneField(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='correction', to='redemption.decision'),
        ),
        migrations.AddField(
            model_name='loyaltytransactionchange',
            name='decision',
            field=models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='redemption.decision'),
        ),
        migrations.AlterField(
            model_name='decision',
            name='verdict',
            field=models.CharField(choices=[('TOOK_PLACE', 'It took place'), ('DID_NOT', 'It did not take place; give it up'), ('ASK_AGAIN', 'It did not take place; ask again'), ('DELIVERED', 'The partner delivered it'), ('UNDELIVERED', 'The partner did not deliver it'), ('CODES', 'The codes were wrong; give the right ones'), ('CREDIT', 'It was not delivered; give the points back'), ('CORRECTION', 'It was delivered; take the points again, as the company agreed'), ('WRITE_OFF', 'It was delivered; leave the points with the company')], max_length=12, verbose_name='verdict'),
        ),
        migrations.AlterField(
            model_name='letter',
            name='kind',
            field=models.CharField(choices=[('confirmed', 'Order confirmed'), ('shipped', 'Shipped'), ('delivered', 'Delivered'), ('cancelled', 'Cancelled'), ('refunded', 'Points given back'), ('declined', 'Declined'), ('corrected', 'Put right')], max_length=20, verbose_name='letter'),
        ),
        migrations.AlterField(
            model_name='loyaltytransaction',
            name='transaction_type',
            field=models.CharField(choices=[('DEBIT', 'Taken'), ('CREDIT', 'Given back'), ('CORRECTION', 'Taken again')], max_length=20, verbose_name='kind'),
        ),
        migrations.AlterField(
            model_name='loyaltytransactionchange',
            name='transaction_type',
            field=models.CharField(choices=[('DEBIT', 'Taken'), ('CREDIT', 'Given back'), ('CORRECTION', 'Taken again')], max_length=20, verbose_name='kind'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='loyaltytransaction',
            trigger=pgtrigger.compiler.Trigger(name='corrections_within_credits', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."transaction_type" = \'CORRECTION\')', func="\n    PERFORM 1 FROM redemption_order WHERE id = NEW.order_id FOR NO KEY UPDATE;\n    IF NOT EXISTS (\n            SELECT 1 FROM redemption_decision\n            WHERE id = NEW.decision_id AND item_id = NEW.item_id\n              AND verdict = 'CORRECTION' AND status = 'CONFIRMED'\n        ) OR NEW.points_amount + COALESCE((\n            SELECT SUM(points_amount) FROM loyalty_transaction\n            WHERE item_id = NEW.item_id AND transaction_type = 'CORRECTION'\n              AND status <> 'REFUSED'\n        ), 0) > COALESCE((\n            SELECT SUM(points_amount) FROM loyalty_transaction\n            WHERE item_id = NEW.item_id AND transaction_type = 'CREDIT' AND status = 'SUCCEEDED'\n        ), 0)\n    THEN\n        RAISE EXCEPTION 'corrections of line % would exceed its credits', NEW.item_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'corrections_within_credits';\n    END IF;\n    RETURN NEW;\n", hash='c2ff83e106fea2b461a0c4c8eabb9424fbefdb5a', operation='INSERT', pgid='pgtrigger_corrections_within_credits_a5381', table='loyalty_transaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='loyaltytransaction',
            trigger=pgtrigger.compiler.Trigger(name='replaced_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."answer_code" IS DISTINCT FROM (NEW."answer_code") OR OLD."answer_detail" IS DISTINCT FROM (NEW."answer_detail") OR OLD."answer_status" IS DISTINCT FROM (NEW."answer_status") OR OLD."company_id" IS DISTINCT FROM (NEW."company_id") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."decision_id" IS DISTINCT FROM (NEW."decision_id") OR OLD."external_transaction_id" IS DISTINCT FROM (NEW."external_transaction_id") OR OLD."first_sent_at" IS DISTINCT FROM (NEW."first_sent_at") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."item_id" IS DISTINCT FROM (NEW."item_id") OR OLD."key" IS DISTINCT FROM (NEW."key") OR OLD."order_id" IS DISTINCT FROM (NEW."order_id") OR OLD."original_id" IS DISTINCT FROM (NEW."original_id") OR OLD."points_amount" IS DISTINCT FROM (NEW."points_amount") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR OLD."settled_at" IS DISTINCT FROM (NEW."settled_at") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."transaction_type" IS DISTINCT FROM (NEW."transaction_type"))', func='INSERT INTO "redemption_loyaltytransactionchange" ("answer_code", "answer_detail", "answer_status", "company_id", "created_at", "decision_id", "external_transaction_id", "first_sent_at", "id", "item_id", "key", "order_id", "original_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_amount", "reason", "settled_at", "status", "transaction_type") VALUES (OLD."answer_code", OLD."answer_detail", OLD."answer_status", OLD."company_id", OLD."created_at", OLD."decision_id", OLD."external_transaction_id", OLD."first_sent_at", OLD."id", OLD."item_id", OLD."key", OLD."order_id", OLD."original_id", _pgh_attach_context(), NOW(), \'replaced\', OLD."id", OLD."points_amount", OLD."reason", OLD."settled_at", OLD."status", OLD."transaction_type"); RETURN NULL;', hash='84f46b61ec16072a5e4fb6949c173628dc03a128', operation='UPDATE', pgid='pgtrigger_replaced_update_0ed23', table='loyalty_transaction', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='loyaltytransaction',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "redemption_loyaltytransactionchange" ("answer_code", "answer_detail", "answer_status", "company_id", "created_at", "decision_id", "external_transaction_id", "first_sent_at", "id", "item_id", "key", "order_id", "original_id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_amount", "reason", "settled_at", "status", "transaction_type") VALUES (OLD."answer_code", OLD."answer_detail", OLD."answer_status", OLD."company_id", OLD."created_at", OLD."decision_id", OLD."external_transaction_id", OLD."first_sent_at", OLD."id", OLD."item_id", OLD."key", OLD."order_id", OLD."original_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."points_amount", OLD."reason", OLD."settled_at", OLD."status", OLD."transaction_type"); RETURN NULL;', hash='556ba1568ce26ff92e7707c2019b2c8504659eb6', operation='DELETE', pgid='pgtrigger_delete_delete_25b01', table='loyalty_transaction', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('item__isnull', True), ('transaction__isnull', False), ('verdict__in', ('TOOK_PLACE', 'DID_NOT', 'ASK_AGAIN'))), models.Q(('item__isnull', False), ('transaction__isnull', True), ('verdict__in', ('DELIVERED', 'UNDELIVERED', 'CODES', 'CREDIT', 'CORRECTION', 'WRITE_OFF'))), _connector='OR'), name='decision_verdict_known'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('verdict__in', ('CODES', 'CREDIT', 'CORRECTION', 'WRITE_OFF')), _negated=True), models.Q(('found__isnull', False), ('units__gt', 0)), _connector='OR'), name='remedy_has_the_partners_answer'),
        ),
        migrations.AddConstraint(
            model_name='decision',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('verdict', 'CORRECTION'), _negated=True), models.Q(models.Q(('agreed_by', ''), _negated=True), ('agreed_on__isnull', False)), _connector='OR'), name='correction_is_agreed_to'),
        ),
        migrations.AddConstraint(
            model_name='loyaltytransaction',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decision__isnull', True), ('original__isnull', True), ('transaction_type', 'DEBIT')), models.Q(('decision__isnull', True), ('original__isnull', False), ('transaction_type', 'CREDIT')), models.Q(('decision__isnull', False), ('item__isnull', False), ('original__isnull', True), ('transaction_type', 'CORRECTION')), _connector='OR'), name='credit_names_its_debit'),
        ),
    ]
