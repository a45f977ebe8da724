"""The pulse of an order (docs/decisions/0038-the-pulse-of-an-order.md). A beat alone is no history."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("redemption", "0005_letters_in_digests"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='redemptionorder',
            name='replaced_update',
        ),
        migrations.AddField(
            model_name='redemptionorder',
            name='pulse',
            field=models.PositiveBigIntegerField(db_default=0, default=0, editable=False, help_text='Grows with what its page shows.'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='redemptionorder',
            trigger=pgtrigger.compiler.Trigger(name='replaced_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."account_manager_id" IS DISTINCT FROM (NEW."account_manager_id") OR OLD."approve_by" IS DISTINCT FROM (NEW."approve_by") OR OLD."attention_reason" IS DISTINCT FROM (NEW."attention_reason") OR OLD."cancel_requested_at" IS DISTINCT FROM (NEW."cancel_requested_at") OR OLD."company_id" IS DISTINCT FROM (NEW."company_id") OR OLD."completed_at" IS DISTINCT FROM (NEW."completed_at") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."decided_by_id" IS DISTINCT FROM (NEW."decided_by_id") OR OLD."decision_reason" IS DISTINCT FROM (NEW."decision_reason") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."needs_attention" IS DISTINCT FROM (NEW."needs_attention") OR OLD."note" IS DISTINCT FROM (NEW."note") OR OLD."order_number" IS DISTINCT FROM (NEW."order_number") OR OLD."reference" IS DISTINCT FROM (NEW."reference") OR OLD."status" IS DISTINCT FROM (NEW."status") OR OLD."token" IS DISTINCT FROM (NEW."token") OR OLD."total_points" IS DISTINCT FROM (NEW."total_points"))', func='INSERT INTO "redemption_redemptionorderchange" ("account_manager_id", "approve_by", "attention_reason", "cancel_requested_at", "company_id", "completed_at", "created_at", "decided_by_id", "decision_reason", "id", "needs_attention", "note", "order_number", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reference", "status", "token", "total_points") VALUES (OLD."account_manager_id", OLD."approve_by", OLD."attention_reason", OLD."cancel_requested_at", OLD."company_id", OLD."completed_at", OLD."created_at", OLD."decided_by_id", OLD."decision_reason", OLD."id", OLD."needs_attention", OLD."note", OLD."order_number", _pgh_attach_context(), NOW(), \'replaced\', OLD."id", OLD."reference", OLD."status", OLD."token", OLD."total_points"); RETURN NULL;', hash='2c48f66ad110488b08461265591fb27c303c5476', operation='UPDATE', pgid='pgtrigger_replaced_update_0f26c', table='redemption_order', when='AFTER')),
        ),
    ]
