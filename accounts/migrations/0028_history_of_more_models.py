"""The change history of more models, which the back office shows."""

import django.db.models.deletion
import loyalty_portal.data.ids
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0027_searched_by_index'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        migrations.CreateModel(
            name='AddressChange',
            fields=[
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('pgh_id', models.BigAutoField(primary_key=True, serialize=False)),
                ('recipient_name', models.CharField(max_length=255, verbose_name='name')),
                ('recipient_email', models.EmailField(blank=True, max_length=254, verbose_name='e-mail')),
                ('recipient_phone', models.CharField(blank=True, max_length=32, verbose_name='phone')),
                ('address_line1', models.CharField(blank=True, max_length=255, verbose_name='address')),
                ('address_line2', models.CharField(blank=True, max_length=255, verbose_name='address, second line')),
                ('city', models.CharField(blank=True, max_length=120, verbose_name='city')),
                ('region', models.CharField(blank=True, max_length=120, verbose_name='state or region')),
                ('postcode', models.CharField(blank=True, max_length=20, verbose_name='postcode')),
                ('country', models.CharField(blank=True, max_length=80, verbose_name='country')),
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('company', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='accounts.company')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='changes', related_query_name='change', to='accounts.address')),
            ],
            options={
                'abstract': False,
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='address',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "accounts_addresschange" ("address_line1", "address_line2", "city", "company_id", "country", "created_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "postcode", "recipient_email", "recipient_name", "recipient_phone", "region") VALUES (NEW."address_line1", NEW."address_line2", NEW."city", NEW."company_id", NEW."country", NEW."created_at", NEW."id", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."postcode", NEW."recipient_email", NEW."recipient_name", NEW."recipient_phone", NEW."region"); RETURN NULL;', hash='57d59a5bb8003a9c9002fa22bcc2215812b85d4a', operation='INSERT', pgid='pgtrigger_insert_insert_f2688', table='accounts_address', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='address',
            trigger=pgtrigger.compiler.Trigger(name='replaced_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "accounts_addresschange" ("address_line1", "address_line2", "city", "company_id", "country", "created_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "postcode", "recipient_email", "recipient_name", "recipient_phone", "region") VALUES (OLD."address_line1", OLD."address_line2", OLD."city", OLD."company_id", OLD."country", OLD."created_at", OLD."id", _pgh_attach_context(), NOW(), \'replaced\', OLD."id", OLD."postcode", OLD."recipient_email", OLD."recipient_name", OLD."recipient_phone", OLD."region"); RETURN NULL;', hash='5a2f7ed8d7cff534541b888e04fbc2f5cc63c7fb', operation='UPDATE', pgid='pgtrigger_replaced_update_de6ed', table='accounts_address', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='address',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "accounts_addresschange" ("address_line1", "address_line2", "city", "company_id", "country", "created_at", "id", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "postcode", "recipient_email", "recipient_name", "recipient_phone", "region") VALUES (OLD."address_line1", OLD."address_line2", OLD."city", OLD."company_id", OLD."country", OLD."created_at", OLD."id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."postcode", OLD."recipient_email", OLD."recipient_name", OLD."recipient_phone", OLD."region"); RETURN NULL;', hash='457019c6d9246631d5cfee760463090ca1db476f', operation='DELETE', pgid='pgtrigger_delete_delete_501e8', table='accounts_address', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='addresschange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay_as_they_are', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='d9fd740de97842dd74bb9a75c94c3dd5ba43c73e', operation='UPDATE', pgid='pgtrigger_rows_stay_as_they_are_a14b6', table='accounts_addresschange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='addresschange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='10d0f1a22de2fbc4c9e76bd684b939ed8151eaba', operation='DELETE', pgid='pgtrigger_rows_stay_85ecb', table='accounts_addresschange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='addresschange',
            trigger=pgtrigger.compiler.Trigger(name='table_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN\n        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='9a4c2cb1a65ebd7ac136a14a3f1116df5ab08d57', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_table_stays_6dd17', table='accounts_addresschange', when='BEFORE')),
        ),
    ]
