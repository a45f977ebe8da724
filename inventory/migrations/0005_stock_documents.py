import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.text
import inventory.models
import loyalty_portal.data.ids
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0004_uploaded_pictures'),
        ('inventory', '0004_stock_row_with_product'),
        ('pghistory', '0007_auto_20250421_0444'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='LowStockRule',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('low_stock_at', models.PositiveIntegerField(blank=True, help_text='Products are low with so many pieces or fewer. Empty: the default holds.', null=True, verbose_name='low at')),
            ],
            options={
                'verbose_name': 'low-stock rule',
                'verbose_name_plural': 'low-stock rules',
                'ordering': ['category__name'],
            },
        ),
        migrations.CreateModel(
            name='LowStockRuleChange',
            fields=[
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('pgh_id', models.BigAutoField(primary_key=True, serialize=False)),
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                ('low_stock_at', models.PositiveIntegerField(blank=True, help_text='Products are low with so many pieces or fewer. Empty: the default holds.', null=True, verbose_name='low at')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='StockDocument',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('number', models.CharField(default=inventory.models.document_number, max_length=20, unique=True, verbose_name='number')),
                ('kind', models.CharField(choices=[('RECEIPT', 'Receipt'), ('COUNT', 'Count'), ('ADJUSTMENT', 'Adjustment')], max_length=10, verbose_name='kind')),
                ('token', models.UUIDField(editable=False, help_text='Identifies the form, so that one form writes one document.', unique=True)),
                ('reference', models.CharField(blank=True, help_text='The number of a delivery note, or of a counting list.', max_length=100, verbose_name='reference')),
                ('reason', models.CharField(blank=True, max_length=255, verbose_name='reason')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'verbose_name': 'stock document',
                'verbose_name_plural': 'stock documents',
                'ordering': ['-created_at', '-id'],
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='inventory',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='inventory',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='inventory',
            name='delete_delete',
        ),
        migrations.AddField(
            model_name='inventory',
            name='has_own_mark',
            field=models.BooleanField(db_default=False, default=False, help_text="If not, the threshold is that of its category, or the programme's.", verbose_name='has its own threshold'),
        ),
        migrations.AddField(
            model_name='inventorychange',
            name='has_own_mark',
            field=models.BooleanField(db_default=False, default=False, help_text="If not, the threshold is that of its category, or the programme's.", verbose_name='has its own threshold'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='inventory',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "inventory_inventorychange" ("has_own_mark", "id", "is_tracked", "last_updated", "low_stock_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", "quantity_available", "quantity_reserved") VALUES (NEW."has_own_mark", NEW."id", NEW."is_tracked", NEW."last_updated", NEW."low_stock_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."product_id", NEW."quantity_available", NEW."quantity_reserved"); RETURN NULL;', hash='40f095ef45f439bae6488c113a293256dc01aae5', operation='INSERT', pgid='pgtrigger_insert_insert_a2c47', table='inventory', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='inventory',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "inventory_inventorychange" ("has_own_mark", "id", "is_tracked", "last_updated", "low_stock_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", "quantity_available", "quantity_reserved") VALUES (NEW."has_own_mark", NEW."id", NEW."is_tracked", NEW."last_updated", NEW."low_stock_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."product_id", NEW."quantity_available", NEW."quantity_reserved"); RETURN NULL;', hash='c050bca993afd2220cbd409cbaef987483b1470f', operation='UPDATE', pgid='pgtrigger_update_update_f5e13', table='inventory', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='inventory',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "inventory_inventorychange" ("has_own_mark", "id", "is_tracked", "last_updated", "low_stock_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", "quantity_available", "quantity_reserved") VALUES (OLD."has_own_mark", OLD."id", OLD."is_tracked", OLD."last_updated", OLD."low_stock_at", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."product_id", OLD."quantity_available", OLD."quantity_reserved"); RETURN NULL;', hash='32bd6e968524e50ddc15a7e698b67c356f66e3c6', operation='DELETE', pgid='pgtrigger_delete_delete_a6fe1', table='inventory', when='AFTER')),
        ),
        migrations.AddField(
            model_name='lowstockrule',
            name='category',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='low_stock_rule', to='catalog.category', verbose_name='category'),
        ),
        migrations.AddField(
            model_name='lowstockrulechange',
            name='category',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='catalog.category', verbose_name='category'),
        ),
        migrations.AddField(
            model_name='lowstockrulechange',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='lowstockrulechange',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='changes', related_query_name='change', to='inventory.lowstockrule'),
        ),
        migrations.AddField(
            model_name='stockdocument',
            name='by',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='stockmovement',
            name='document',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='movements', to='inventory.stockdocument'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lowstockrule',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "inventory_lowstockrulechange" ("category_id", "id", "low_stock_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."category_id", NEW."id", NEW."low_stock_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id"); RETURN NULL;', hash='999b69da82dfc84186da8bab2b7cd740d1f3be66', operation='INSERT', pgid='pgtrigger_insert_insert_e9276', table='inventory_lowstockrule', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lowstockrule',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "inventory_lowstockrulechange" ("category_id", "id", "low_stock_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (NEW."category_id", NEW."id", NEW."low_stock_at", _pgh_attach_context(), NOW(), \'update\', NEW."id"); RETURN NULL;', hash='ea890b2d74a3f4ae4928382070dd2578ae9d92c4', operation='UPDATE', pgid='pgtrigger_update_update_adf53', table='inventory_lowstockrule', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lowstockrule',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "inventory_lowstockrulechange" ("category_id", "id", "low_stock_at", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id") VALUES (OLD."category_id", OLD."id", OLD."low_stock_at", _pgh_attach_context(), NOW(), \'delete\', OLD."id"); RETURN NULL;', hash='fbb82bda8b480f170ae6442113a3032a27f5a9b1', operation='DELETE', pgid='pgtrigger_delete_delete_e2786', table='inventory_lowstockrule', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lowstockrulechange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay_as_they_are', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='73a8ddc9c737576f25adb427381a970811020a4c', operation='UPDATE', pgid='pgtrigger_rows_stay_as_they_are_b39d3', table='inventory_lowstockrulechange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lowstockrulechange',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='ba0dd99e4545e64dd022b4e5aa47a9f4179035ac', operation='DELETE', pgid='pgtrigger_rows_stay_912d7', table='inventory_lowstockrulechange', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='lowstockrulechange',
            trigger=pgtrigger.compiler.Trigger(name='table_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN\n        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='4d12fb3bd642a44d2bb38840438734eb0215059b', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_table_stays_510b0', table='inventory_lowstockrulechange', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='stockdocument',
            index=models.Index(fields=['-created_at', '-id'], name='stock_document_newest'),
        ),
        migrations.AddConstraint(
            model_name='stockdocument',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['RECEIPT', 'COUNT', 'ADJUSTMENT'])), name='stock_document_kind_known'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='stockdocument',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay_as_they_are', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='2f168ce864998a81fb870574f2f177c8d32f1ba5', operation='UPDATE', pgid='pgtrigger_rows_stay_as_they_are_52ff6', table='inventory_stockdocument', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='stockdocument',
            trigger=pgtrigger.compiler.Trigger(name='rows_stay', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;", hash='49d624f48b8e50b20937062942851731d3ab6cf2', operation='DELETE', pgid='pgtrigger_rows_stay_7b068', table='inventory_stockdocument', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='stockdocument',
            trigger=pgtrigger.compiler.Trigger(name='table_stays', sql=pgtrigger.compiler.UpsertTriggerSql(func="\n    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN\n        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;\n    END IF;\n    RETURN NULL;\n", hash='ca2a914b84077428083e9d81cdac4ee2f1a570bf', level='STATEMENT', operation='TRUNCATE', pgid='pgtrigger_table_stays_1f9fa', table='inventory_stockdocument', when='BEFORE')),
        ),
        # Who set a number by hand keeps it.
        migrations.RunSQL(
            "UPDATE inventory SET has_own_mark = true WHERE low_stock_at <> 5",
            migrations.RunSQL.noop,
        ),
    ]
