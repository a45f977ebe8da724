"""The change history of more models, which the back office shows."""

import django.db.models.deletion
import loyalty_portal.data.ids
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0014_rows_foreseen_by_index'),
        ('pghistory', '0007_auto_20250421_0444'),
    ]

    operations = [
        migrations.CreateModel(
            name='CategoryChange',
            fields=[
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('pgh_id', models.BigAutoField(primary_key=True, serialize=False)),
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('slug', models.SlugField(db_index=False, max_length=140)),
                ('motif', models.CharField(blank=True, max_length=40, verbose_name='drawing')),
                ('position', models.PositiveIntegerField(default=0, verbose_name='position')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='changes', related_query_name='change', to='catalog.category')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='FamilyChange',
            fields=[
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('pgh_id', models.BigAutoField(primary_key=True, serialize=False)),
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                ('name', models.CharField(max_length=255, verbose_name='name')),
                ('code', models.CharField(help_text='Imports find the family by this code, so do not change it.', max_length=120, verbose_name='code')),
                ('options', models.CharField(blank=True, db_default='', help_text='The properties in which its variants differ, such as “Size / Colour”.', max_length=255, verbose_name='options')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='changes', related_query_name='change', to='catalog.family')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='SynonymChange',
            fields=[
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('pgh_id', models.BigAutoField(primary_key=True, serialize=False)),
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                ('names', models.CharField(help_text='With commas between them: “mobile, smartphone, cell phone”.', max_length=300, verbose_name='names')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='changes', related_query_name='change', to='catalog.synonym')),
            ],
            options={
                'abstract': False,
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='category',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_categorychange" ("id", "motif", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position", "slug") VALUES (NEW."id", NEW."motif", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."position", NEW."slug"); RETURN NULL;', hash='bbb5402ac951c85d62d62688830a967930fa8164', operation='INSERT', pgid='pgtrigger_insert_insert_450cc', table='catalog_category', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='category',
            trigger=pgtrigger.compiler.Trigger(name='replaced_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "catalog_categorychange" ("id", "motif", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position", "slug") VALUES (OLD."id", OLD."motif", OLD."name", _pgh_attach_context(), NOW(), \'replaced\', OLD."id", OLD."position", OLD."slug"); RETURN NULL;', hash='afdace3d2a5608646077252392717ae3e7a329eb', operation='UPDATE', pgid='pgtrigger_replaced_update_6a499', table='catalog_category', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='category',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_categorychange" ("id", "motif", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "position", "slug") VALUES (OLD."id", OLD."motif", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."position", OLD."slug"); RETURN NULL;', hash='f05380bdc982e50023a8043be24c383f67bf1830', operation='DELETE', pgid='pgtrigger_delete_delete_5b72e', table='catalog_category', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='family',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_familychange" ("code", "id", "name", "options", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."code", NEW."id", NEW."name", NEW."options", _pgh_attach_context(), NOW(), \'insert\', NEW."id"); RETURN NULL;', hash='d6974f4cfdbd6bf9681d6bace6595b13cba36524', operation='INSERT', pgid='pgtrigger_insert_insert_3c0e6', table='catalog_family', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='family',
            trigger=pgtrigger.compiler.Trigger(name='replaced_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "catalog_familychange" ("code", "id", "name", "options", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."code", OLD."id", OLD."name", OLD."options", _pgh_attach_context(), NOW(), \'replaced\', OLD."id"); RETURN NULL;', hash='2211c2a049b17345af4e9963d710df1ea145a6a9', operation='UPDATE', pgid='pgtrigger_replaced_update_10c5c', table='catalog_family', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='family',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_familychange" ("code", "id", "name", "options", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."code", OLD."id", OLD."name", OLD."options", _pgh_attach_context(), NOW(), \'delete\', OLD."id"); RETURN NULL;', hash='5dc13f3a8ab5bc62a22e01240a44ec56f2b3a8b6', operation='DELETE', pgid='pgtrigger_delete_delete_d45e4', table='catalog_family', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='synonym',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_synonymchange" ("created_at", "id", "names", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."created_at", NEW."id", NEW."names", _pgh_attach_context(), NOW(), \'insert\', NEW."id"); RETURN NULL;', hash='baa918dde69e1a2f438ef11b86f0ca5363588530', operation='INSERT', pgid='pgtrigger_insert_insert_98ef1', table='catalog_synonym', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='synonym',
            trigger=pgtrigger.compiler.Trigger(name='replaced_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "catalog_synonymchange" ("created_at", "id", "names", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."created_at", OLD."id", OLD."names", _pgh_attach_context(), NOW(), \'replaced\', OLD."id"); RETURN NULL;', hash='61bd7b1e9301cabd3d2fe298f0b9848cdb275cdb', operation='UPDATE', pgid='pgtrigger_replaced_update_5f3b4', table='catalog_synonym', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='synonym',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_synonymchange" ("created_at", "id", "names", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."created_at", OLD."id", OLD."names", _pgh_attach_context(), NOW(), \'delete\', OLD."id"); RETURN NULL;', hash='af209d6f10ba40c48ebdac2c162e1efcaf38ff2b', operation='DELETE', pgid='pgtrigger_delete_delete_b7832', table='catalog_synonym', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='categorychange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay_as_they_are', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='b5f7ac4eaf2f76de5e039688f659353b5cd4422b', operation='UPDATE', pgid='pgtrigger_rows_stay_as_they_are_eccbc', table='catalog_categorychange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='categorychange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='38abc52ee1ec783bedaee6778fbd45e8d64e48c0', operation='DELETE', pgid='pgtrigger_rows_stay_cf642', table='catalog_categorychange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='categorychange',
            trigger=pgtrigger.compiler.Trigger(name='table_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN\n        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='009b7336eb1788eb3f6dd18eb98ed244175c06b2', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_table_stays_d6f94', table='catalog_categorychange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='familychange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay_as_they_are', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='c1e4aa515bbacd11c83edd76b46e23df536ecbf4', operation='UPDATE', pgid='pgtrigger_rows_stay_as_they_are_70d62', table='catalog_familychange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='familychange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='cce78e1a0f033eaa0ab650614d2ad6bfa920c38f', operation='DELETE', pgid='pgtrigger_rows_stay_58451', table='catalog_familychange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='familychange',
            trigger=pgtrigger.compiler.Trigger(name='table_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN\n        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='9e717cb3005bf23e0052db9a9292e8b0190e52c0', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_table_stays_eb2aa', table='catalog_familychange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='synonymchange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay_as_they_are', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='43e005cd5ecd2380c79fccbce0c97eedf4dbcfec', operation='UPDATE', pgid='pgtrigger_rows_stay_as_they_are_4fe7b', table='catalog_synonymchange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='synonymchange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='11db52d8fa524cd1644dce809010d087a7f3663c', operation='DELETE', pgid='pgtrigger_rows_stay_d1d1c', table='catalog_synonymchange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='synonymchange',
            trigger=pgtrigger.compiler.Trigger(name='table_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN\n        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='82f2c151a39ccb722ed2827d238ad982ab755527', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_table_stays_0e9ab', table='catalog_synonymchange', when='BEFORE')),
        ),
    ]
