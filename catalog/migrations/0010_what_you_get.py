"""What one gets of a product: how long it is valid, where it can be used, when it comes, terms."""

import django.core.validators
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0009_search_index'),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='product',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='product',
            name='update_update',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='product',
            name='delete_delete',
        ),
        migrations.AddField(
            model_name='product',
            name='delivery_days',
            field=models.PositiveSmallIntegerField(blank=True, help_text='At most, from the order on. Only for what is shipped.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)], verbose_name='working days until it arrives'),
        ),
        migrations.AddField(
            model_name='product',
            name='terms',
            field=models.TextField(blank=True, db_default='', default='', help_text='Plain text: what the recipient must know, such as how to return it.', max_length=4000, verbose_name='terms'),
        ),
        migrations.AddField(
            model_name='product',
            name='usable_at',
            field=models.CharField(blank=True, db_default='', default='', help_text='Such as “In all shops in Germany, and online”.', max_length=300, verbose_name='where it can be used'),
        ),
        migrations.AddField(
            model_name='product',
            name='validity',
            field=models.CharField(blank=True, db_default='', default='', help_text='Such as “3 years from the day it arrives”.', max_length=200, verbose_name='how long it is valid'),
        ),
        migrations.AddField(
            model_name='productchange',
            name='delivery_days',
            field=models.PositiveSmallIntegerField(blank=True, help_text='At most, from the order on. Only for what is shipped.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(365)], verbose_name='working days until it arrives'),
        ),
        migrations.AddField(
            model_name='productchange',
            name='terms',
            field=models.TextField(blank=True, db_default='', default='', help_text='Plain text: what the recipient must know, such as how to return it.', max_length=4000, verbose_name='terms'),
        ),
        migrations.AddField(
            model_name='productchange',
            name='usable_at',
            field=models.CharField(blank=True, db_default='', default='', help_text='Such as “In all shops in Germany, and online”.', max_length=300, verbose_name='where it can be used'),
        ),
        migrations.AddField(
            model_name='productchange',
            name='validity',
            field=models.CharField(blank=True, db_default='', default='', help_text='Such as “3 years from the day it arrives”.', max_length=200, verbose_name='how long it is valid'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_productchange" ("available_from", "available_until", "brand", "category_id", "cover", "created_at", "delivery_days", "description", "family_id", "id", "image_url", "is_active", "is_card", "minimum_tier", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_cost", "product_type", "sku", "slug", "source", "stock_status", "terms", "usable_at", "validity", "variant", "variant_position") VALUES (NEW."available_from", NEW."available_until", NEW."brand", NEW."category_id", NEW."cover", NEW."created_at", NEW."delivery_days", NEW."description", NEW."family_id", NEW."id", NEW."image_url", NEW."is_active", NEW."is_card", NEW."minimum_tier", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."points_cost", NEW."product_type", NEW."sku", NEW."slug", NEW."source", NEW."stock_status", NEW."terms", NEW."usable_at", NEW."validity", NEW."variant", NEW."variant_position"); RETURN NULL;', hash='b605085c6d564955b7a63eae24114fd68d455b89', operation='INSERT', pgid='pgtrigger_insert_insert_ae3fa', table='product', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."available_from" IS DISTINCT FROM (NEW."available_from") OR OLD."available_until" IS DISTINCT FROM (NEW."available_until") OR OLD."brand" IS DISTINCT FROM (NEW."brand") OR OLD."category_id" IS DISTINCT FROM (NEW."category_id") OR OLD."cover" IS DISTINCT FROM (NEW."cover") OR OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."delivery_days" IS DISTINCT FROM (NEW."delivery_days") OR OLD."description" IS DISTINCT FROM (NEW."description") OR OLD."family_id" IS DISTINCT FROM (NEW."family_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."image_url" IS DISTINCT FROM (NEW."image_url") OR OLD."is_active" IS DISTINCT FROM (NEW."is_active") OR OLD."is_card" IS DISTINCT FROM (NEW."is_card") OR OLD."minimum_tier" IS DISTINCT FROM (NEW."minimum_tier") OR OLD."name" IS DISTINCT FROM (NEW."name") OR OLD."points_cost" IS DISTINCT FROM (NEW."points_cost") OR OLD."product_type" IS DISTINCT FROM (NEW."product_type") OR OLD."sku" IS DISTINCT FROM (NEW."sku") OR OLD."slug" IS DISTINCT FROM (NEW."slug") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."stock_status" IS DISTINCT FROM (NEW."stock_status") OR OLD."terms" IS DISTINCT FROM (NEW."terms") OR OLD."usable_at" IS DISTINCT FROM (NEW."usable_at") OR OLD."validity" IS DISTINCT FROM (NEW."validity") OR OLD."variant" IS DISTINCT FROM (NEW."variant") OR OLD."variant_position" IS DISTINCT FROM (NEW."variant_position"))', func='INSERT INTO "catalog_productchange" ("available_from", "available_until", "brand", "category_id", "cover", "created_at", "delivery_days", "description", "family_id", "id", "image_url", "is_active", "is_card", "minimum_tier", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_cost", "product_type", "sku", "slug", "source", "stock_status", "terms", "usable_at", "validity", "variant", "variant_position") VALUES (NEW."available_from", NEW."available_until", NEW."brand", NEW."category_id", NEW."cover", NEW."created_at", NEW."delivery_days", NEW."description", NEW."family_id", NEW."id", NEW."image_url", NEW."is_active", NEW."is_card", NEW."minimum_tier", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."points_cost", NEW."product_type", NEW."sku", NEW."slug", NEW."source", NEW."stock_status", NEW."terms", NEW."usable_at", NEW."validity", NEW."variant", NEW."variant_position"); RETURN NULL;', hash='5471964d6733e3d14f67209dbc8a85f3db8c6449', operation='UPDATE', pgid='pgtrigger_update_update_580c5', table='product', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='delete_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "catalog_productchange" ("available_from", "available_until", "brand", "category_id", "cover", "created_at", "delivery_days", "description", "family_id", "id", "image_url", "is_active", "is_card", "minimum_tier", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "points_cost", "product_type", "sku", "slug", "source", "stock_status", "terms", "usable_at", "validity", "variant", "variant_position") VALUES (OLD."available_from", OLD."available_until", OLD."brand", OLD."category_id", OLD."cover", OLD."created_at", OLD."delivery_days", OLD."description", OLD."family_id", OLD."id", OLD."image_url", OLD."is_active", OLD."is_card", OLD."minimum_tier", OLD."name", _pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."points_cost", OLD."product_type", OLD."sku", OLD."slug", OLD."source", OLD."stock_status", OLD."terms", OLD."usable_at", OLD."validity", OLD."variant", OLD."variant_position"); RETURN NULL;', hash='e9a6eec287310da3207feb58f81b9663bad8373e', operation='DELETE', pgid='pgtrigger_delete_delete_a763a', table='product', when='AFTER')),
        ),
    ]
