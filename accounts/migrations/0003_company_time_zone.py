import accounts.models
import loyalty_portal.data.zones
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0002_trail_stays'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='company',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='company',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='company',
            name='delete_delete',
        ),
        migrations.AddField(
            model_name='company',
            name='time_zone',
            field=models.CharField(db_default='UTC', default=accounts.models.programme_zone, help_text='A line with a date is sent at nine in the morning of that day in this zone.', max_length=64, validators=[loyalty_portal.data.zones.checked_zone], verbose_name='time zone'),
        ),
        migrations.AddField(
            model_name='companychange',
            name='time_zone',
            field=models.CharField(db_default='UTC', default=accounts.models.programme_zone, help_text='A line with a date is sent at nine in the morning of that day in this zone.', max_length=64, validators=[loyalty_portal.data.zones.checked_zone], verbose_name='time zone'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='company',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "accounts_companychange" ("approval_threshold", "created_at", "id", "is_active", "loyalty_account_id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "tier_level", "time_zone", "updated_at") VALUES (NEW."approval_threshold", NEW."created_at", NEW."id", NEW."is_active", NEW."loyalty_account_id", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."tier_level", NEW."time_zone", NEW."updated_at"); RETURN NULL;', hash='34baf24b5f9c2098c04a15798dde674e5f1a06e0', operation='INSERT', pgid='pgtrigger_insert_insert_f9bb1', table='company', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='company',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "accounts_companychange" ("approval_threshold", "created_at", "id", "is_active", "loyalty_account_id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "tier_level", "time_zone", "updated_at") VALUES (NEW."approval_threshold", NEW."created_at", NEW."id", NEW."is_active", NEW."loyalty_account_id", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."tier_level", NEW."time_zone", NEW."updated_at"); RETURN NULL;', hash='3c8ea29a992723a31f53827c70375ff2b9165ae5', operation='UPDATE', pgid='pgtrigger_update_update_c2173', table='company', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='company',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "accounts_companychange" ("approval_threshold", "created_at", "id", "is_active", "loyalty_account_id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "tier_level", "time_zone", "updated_at") VALUES (OLD."approval_threshold", OLD."created_at", OLD."id", OLD."is_active", OLD."loyalty_account_id", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."tier_level", OLD."time_zone", OLD."updated_at"); RETURN NULL;', hash='cc5dc202a1c3d11cbe67a6fe5163dc3f00e77a59', operation='DELETE', pgid='pgtrigger_delete_delete_7a01f', table='company', when='AFTER')),
        ),
    ]
