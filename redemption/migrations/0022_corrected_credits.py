"""Allows a credit of what a correction took, and no correction of written-off points."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_trail_stays'),
        ('redemption', '0021_unsettled_transactions'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='loyaltytransaction',
            name='credits_within_debit',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='loyaltytransaction',
            name='corrections_within_credits',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='decision',
            trigger=pgtrigger.compiler.Trigger(name='write_offs_within_credits', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."status" = \'CONFIRMED\' AND NEW."verdict" = \'WRITE_OFF\')', func="\n    PERFORM 1 FROM redemption_order\n        WHERE id = (SELECT order_id FROM order_item WHERE id = NEW.item_id) FOR NO KEY UPDATE;\n    IF COALESCE((\n            SELECT SUM(d.units) FROM redemption_decision d\n            WHERE d.item_id = NEW.item_id AND d.id <> NEW.id\n              AND d.verdict = 'WRITE_OFF' AND d.status = 'CONFIRMED'\n        ), 0) + NEW.units > COALESCE((\n            SELECT SUM(CASE t.transaction_type WHEN 'CREDIT' THEN t.points_amount\n                                               ELSE -t.points_amount END) / i.points_per_item\n            FROM order_item i JOIN loyalty_transaction t ON t.item_id = i.id\n            WHERE i.id = NEW.item_id AND t.status <> 'REFUSED' GROUP BY i.points_per_item\n        ), 0)\n    THEN\n        RAISE EXCEPTION 'write-offs of line % would exceed its credits', NEW.item_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'write_offs_within_credits';\n    END IF;\n    RETURN NEW;\n", hash='1a387bf8ec49cbef8710bcf3d7737fdf84eae698', operation='INSERT OR UPDATE', pgid='pgtrigger_write_offs_within_credits_106ff', table='redemption_decision', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='loyaltytransaction',
            trigger=pgtrigger.compiler.Trigger(name='credits_within_debit', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."transaction_type" = \'CREDIT\')', func="\n    PERFORM 1 FROM redemption_order WHERE id = NEW.order_id FOR NO KEY UPDATE;\n    IF NEW.points_amount + COALESCE((\n            SELECT SUM(points_amount) FROM loyalty_transaction\n            WHERE original_id = NEW.original_id AND transaction_type = 'CREDIT'\n        ), 0) > COALESCE((\n            SELECT points_amount FROM loyalty_transaction\n            WHERE order_id = NEW.order_id AND id = NEW.original_id AND status = 'SUCCEEDED'\n              AND (transaction_type = 'DEBIT'\n                   OR transaction_type = 'CORRECTION' AND item_id = NEW.item_id)\n        ), 0)\n    THEN\n        RAISE EXCEPTION 'credits of order % would exceed its debit', NEW.order_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'credits_within_debit';\n    END IF;\n    RETURN NEW;\n", hash='a77a2173b576d7ec6f31936e7bef8634d718e254', operation='INSERT', pgid='pgtrigger_credits_within_debit_40ffd', table='loyalty_transaction', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='loyaltytransaction',
            trigger=pgtrigger.compiler.Trigger(name='corrections_within_credits', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."transaction_type" = \'CORRECTION\')', func="\n    PERFORM 1 FROM redemption_order WHERE id = NEW.order_id FOR NO KEY UPDATE;\n    IF NOT EXISTS (\n            SELECT 1 FROM redemption_decision\n            WHERE id = NEW.decision_id AND item_id = NEW.item_id\n              AND verdict = 'CORRECTION' AND status = 'CONFIRMED'\n        ) OR NEW.points_amount + COALESCE((\n            SELECT SUM(points_amount) FROM loyalty_transaction\n            WHERE item_id = NEW.item_id AND transaction_type = 'CORRECTION'\n              AND status <> 'REFUSED'\n        ), 0) + COALESCE((\n            SELECT SUM(d.units * i.points_per_item)\n            FROM redemption_decision d JOIN order_item i ON i.id = d.item_id\n            WHERE i.id = NEW.item_id AND d.verdict = 'WRITE_OFF' AND d.status = 'CONFIRMED'\n        ), 0) > COALESCE((\n            SELECT SUM(points_amount) FROM loyalty_transaction\n            WHERE item_id = NEW.item_id AND transaction_type = 'CREDIT' AND status = 'SUCCEEDED'\n        ), 0)\n    THEN\n        RAISE EXCEPTION 'corrections of line % would exceed its credits', NEW.item_id\n            USING ERRCODE = 'check_violation', CONSTRAINT = 'corrections_within_credits';\n    END IF;\n    RETURN NEW;\n", hash='de069df84f8ca7176e011bbd49294d7960292777', operation='INSERT', pgid='pgtrigger_corrections_within_credits_a5381', table='loyalty_transaction', when='BEFORE')),
        ),
    ]
