"""The tables of products, families and categories.

Made by makemigrations. What PostgreSQL does by itself, its triggers, comes last.
"""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
import django.db.models.deletion
import django.db.models.functions.text
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import catalog.models
import loyalty_portal.data.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        migrations.CreateModel(
            name="Category",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=120, unique=True, verbose_name="name")),
                ("slug", models.SlugField(max_length=140, unique=True)),
                ("motif", models.CharField(blank=True, max_length=40, verbose_name="drawing")),
                ("position", models.PositiveIntegerField(default=0, verbose_name="position")),
            ],
            options={
                "verbose_name": "category",
                "verbose_name_plural": "categories",
                "ordering": ["position", "name"],
            },
        ),
        migrations.CreateModel(
            name="Family",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                (
                    "code",
                    models.CharField(
                        help_text="Stable, for imports to find it again.",
                        max_length=120,
                        unique=True,
                        verbose_name="code",
                    ),
                ),
                (
                    "options",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="What its variants differ by, such as “Size / Colour”.",
                        max_length=255,
                        verbose_name="options",
                    ),
                ),
            ],
            options={
                "verbose_name": "family",
                "verbose_name_plural": "families",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Product",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("sku", models.CharField(max_length=100, unique=True, verbose_name="SKU")),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                ("slug", models.SlugField(max_length=280, unique=True)),
                ("brand", models.CharField(blank=True, max_length=120, verbose_name="brand")),
                ("description", models.TextField(blank=True, help_text="Safe HTML.", verbose_name="description")),
                (
                    "product_type",
                    models.CharField(
                        choices=[("PHYSICAL", "Shipped"), ("VIRTUAL", "By e-mail")], max_length=20, verbose_name="type"
                    ),
                ),
                ("points_cost", models.PositiveIntegerField(verbose_name="points")),
                ("image_url", models.CharField(blank=True, max_length=500, verbose_name="picture")),
                (
                    "variant",
                    models.CharField(
                        blank=True,
                        help_text="What sets it apart in its family.",
                        max_length=120,
                        verbose_name="variant",
                    ),
                ),
                (
                    "variant_position",
                    models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Variants are shown in this order; sizes such as S, M and L in theirs.",
                        verbose_name="position in the family",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text=(
                            "Which import it came with, and as what there. An import writes over a product of another "
                            "source only when this is empty."
                        ),
                        max_length=300,
                        verbose_name="source",
                    ),
                ),
                (
                    "is_card",
                    models.BooleanField(
                        default=True, editable=False, help_text="Whether it is the one its family shows as its card."
                    ),
                ),
                (
                    "minimum_tier",
                    models.CharField(
                        choices=[
                            ("BRONZE", "Bronze"),
                            ("SILVER", "Silver"),
                            ("GOLD", "Gold"),
                            ("PLATINUM", "Platinum"),
                        ],
                        default="BRONZE",
                        max_length=50,
                        verbose_name="from tier",
                    ),
                ),
                ("available_from", models.DateTimeField(blank=True, null=True, verbose_name="available from")),
                ("available_until", models.DateTimeField(blank=True, null=True, verbose_name="available until")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "stock_status",
                    models.CharField(
                        choices=[("IN_STOCK", "In stock"), ("LOW", "Low stock"), ("OUT", "Out of stock")],
                        default="OUT",
                        editable=False,
                        max_length=10,
                    ),
                ),
                ("search", django.contrib.postgres.search.SearchVectorField(editable=False, null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                (
                    "category",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="products", to="catalog.category"
                    ),
                ),
                (
                    "family",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="products",
                        to="catalog.family",
                    ),
                ),
            ],
            options={
                "verbose_name": "product",
                "verbose_name_plural": "products",
                "db_table": "product",
                "ordering": ["name", "id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("source", ""), _negated=True), fields=["source"], name="product_by_source"
                    ),
                    django.contrib.postgres.indexes.GinIndex(fields=["search"], name="product_search"),
                    django.contrib.postgres.indexes.GinIndex(
                        catalog.models.TitleWords("search"),
                        condition=models.Q(("is_active", True), ("is_card", True)),
                        name="product_search_titles",
                    ),
                    models.Index(
                        django.db.models.functions.text.Lower("name"),
                        models.F("id"),
                        condition=models.Q(("is_active", True), ("is_card", True)),
                        name="product_shown_by_name",
                    ),
                    models.Index(
                        condition=models.Q(("is_active", True), ("is_card", True)),
                        fields=["points_cost", "id"],
                        name="product_shown_by_points",
                    ),
                    models.Index(
                        condition=models.Q(("is_active", True), ("is_card", True)),
                        fields=["-created_at", "-id"],
                        name="product_shown_by_age",
                    ),
                    models.Index(
                        models.F("category"),
                        django.db.models.functions.text.Lower("name"),
                        models.F("id"),
                        condition=models.Q(("is_active", True), ("is_card", True)),
                        name="product_shown_in_category",
                    ),
                    models.Index(
                        models.F("brand"),
                        django.db.models.functions.text.Lower("name"),
                        models.F("id"),
                        condition=models.Q(("is_active", True), ("is_card", True)),
                        name="product_shown_by_brand",
                    ),
                    models.Index(
                        condition=models.Q(("is_active", True), ("is_card", True)),
                        fields=["category", "product_type", "brand"],
                        include=("minimum_tier", "stock_status", "points_cost", "available_from", "available_until"),
                        name="product_facets",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("points_cost__gt", 0)), name="product_costs_points"),
                    models.CheckConstraint(
                        condition=models.Q(("product_type__in", ["PHYSICAL", "VIRTUAL"])), name="product_type_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("minimum_tier__in", ["BRONZE", "SILVER", "GOLD", "PLATINUM"])),
                        name="product_tier_known",
                    ),
                    models.UniqueConstraint(
                        django.db.models.functions.text.Upper("sku"),
                        name="product_sku_once",
                        violation_error_message="There is a product with this SKU, capitals aside.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProductChange",
            fields=[
                ("pgh_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                ("sku", models.CharField(max_length=100, verbose_name="SKU")),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                ("slug", models.SlugField(db_index=False, max_length=280)),
                ("brand", models.CharField(blank=True, max_length=120, verbose_name="brand")),
                ("description", models.TextField(blank=True, help_text="Safe HTML.", verbose_name="description")),
                (
                    "product_type",
                    models.CharField(
                        choices=[("PHYSICAL", "Shipped"), ("VIRTUAL", "By e-mail")], max_length=20, verbose_name="type"
                    ),
                ),
                ("points_cost", models.PositiveIntegerField(verbose_name="points")),
                ("image_url", models.CharField(blank=True, max_length=500, verbose_name="picture")),
                (
                    "variant",
                    models.CharField(
                        blank=True,
                        help_text="What sets it apart in its family.",
                        max_length=120,
                        verbose_name="variant",
                    ),
                ),
                (
                    "variant_position",
                    models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Variants are shown in this order; sizes such as S, M and L in theirs.",
                        verbose_name="position in the family",
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text=(
                            "Which import it came with, and as what there. An import writes over a product of another "
                            "source only when this is empty."
                        ),
                        max_length=300,
                        verbose_name="source",
                    ),
                ),
                (
                    "is_card",
                    models.BooleanField(
                        default=True, editable=False, help_text="Whether it is the one its family shows as its card."
                    ),
                ),
                (
                    "minimum_tier",
                    models.CharField(
                        choices=[
                            ("BRONZE", "Bronze"),
                            ("SILVER", "Silver"),
                            ("GOLD", "Gold"),
                            ("PLATINUM", "Platinum"),
                        ],
                        default="BRONZE",
                        max_length=50,
                        verbose_name="from tier",
                    ),
                ),
                ("available_from", models.DateTimeField(blank=True, null=True, verbose_name="available from")),
                ("available_until", models.DateTimeField(blank=True, null=True, verbose_name="available until")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "stock_status",
                    models.CharField(
                        choices=[("IN_STOCK", "In stock"), ("LOW", "Low stock"), ("OUT", "Out of stock")],
                        default="OUT",
                        editable=False,
                        max_length=10,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "category",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="catalog.category",
                    ),
                ),
                (
                    "family",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="catalog.family",
                    ),
                ),
                (
                    "pgh_context",
                    models.ForeignKey(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="pghistory.context",
                    ),
                ),
                (
                    "pgh_obj",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="changes",
                        related_query_name="change",
                        to="catalog.product",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="product",
            trigger=pgtrigger.compiler.Trigger(
                name="product_search_vector",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        "\n"
                        "    NEW.search := setweight(to_tsvector('simple', regexp_replace(NEW.name, "
                        "'[!-/:-@\\[-`{-~]', ' ', 'g')), 'A')\n"
                        "        || setweight(to_tsvector('simple', regexp_replace(concat_ws(' ', NEW.brand, "
                        "NEW.variant, NEW.sku), '[!-/:-@\\[-`{-~]', ' ', 'g')), 'B')\n"
                        "        || setweight(to_tsvector('simple', "
                        "regexp_replace(regexp_replace(left(NEW.description, 20000), '<[^>]*>', ' ', 'g'), "
                        "'[!-/:-@\\[-`{-~]', ' ', 'g')), 'D');\n"
                        "    RETURN NEW;\n"
                    ),
                    hash="aedb42c7f51a017ea49e020f0f4e8241bdd65724",
                    operation='INSERT OR UPDATE OF "name", "brand", "variant", "sku", "description"',
                    pgid="pgtrigger_product_search_vector_30365",
                    table="product",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="product",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "catalog_productchange" ("available_from", "available_until", "brand", '
                        '"category_id", "created_at", "description", "family_id", "id", "image_url", "is_active", '
                        '"is_card", "minimum_tier", "name", "pgh_context_id", "pgh_created_at", "pgh_label", '
                        '"pgh_obj_id", "points_cost", "product_type", "sku", "slug", "source", "stock_status", '
                        '"variant", "variant_position") VALUES (NEW."available_from", NEW."available_until", '
                        'NEW."brand", NEW."category_id", NEW."created_at", NEW."description", NEW."family_id", '
                        'NEW."id", NEW."image_url", NEW."is_active", NEW."is_card", NEW."minimum_tier", NEW."name", '
                        '_pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."points_cost", NEW."product_type", '
                        'NEW."sku", NEW."slug", NEW."source", NEW."stock_status", NEW."variant", '
                        'NEW."variant_position"); RETURN NULL;'
                    ),
                    hash="40c89a744e6999218f79c5e6236e2cb4c7406319",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_ae3fa",
                    table="product",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="product",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition=(
                        'WHEN (OLD."available_from" IS DISTINCT FROM (NEW."available_from") OR OLD."available_until" '
                        'IS DISTINCT FROM (NEW."available_until") OR OLD."brand" IS DISTINCT FROM (NEW."brand") OR '
                        'OLD."category_id" IS DISTINCT FROM (NEW."category_id") OR OLD."created_at" IS DISTINCT FROM '
                        '(NEW."created_at") OR OLD."description" IS DISTINCT FROM (NEW."description") OR '
                        'OLD."family_id" IS DISTINCT FROM (NEW."family_id") OR OLD."id" IS DISTINCT FROM (NEW."id") OR '
                        'OLD."image_url" IS DISTINCT FROM (NEW."image_url") OR OLD."is_active" IS DISTINCT FROM '
                        '(NEW."is_active") OR OLD."is_card" IS DISTINCT FROM (NEW."is_card") OR OLD."minimum_tier" IS '
                        'DISTINCT FROM (NEW."minimum_tier") OR OLD."name" IS DISTINCT FROM (NEW."name") OR '
                        'OLD."points_cost" IS DISTINCT FROM (NEW."points_cost") OR OLD."product_type" IS DISTINCT FROM '
                        '(NEW."product_type") OR OLD."sku" IS DISTINCT FROM (NEW."sku") OR OLD."slug" IS DISTINCT FROM '
                        '(NEW."slug") OR OLD."source" IS DISTINCT FROM (NEW."source") OR OLD."stock_status" IS '
                        'DISTINCT FROM (NEW."stock_status") OR OLD."variant" IS DISTINCT FROM (NEW."variant") OR '
                        'OLD."variant_position" IS DISTINCT FROM (NEW."variant_position"))'
                    ),
                    func=(
                        'INSERT INTO "catalog_productchange" ("available_from", "available_until", "brand", '
                        '"category_id", "created_at", "description", "family_id", "id", "image_url", "is_active", '
                        '"is_card", "minimum_tier", "name", "pgh_context_id", "pgh_created_at", "pgh_label", '
                        '"pgh_obj_id", "points_cost", "product_type", "sku", "slug", "source", "stock_status", '
                        '"variant", "variant_position") VALUES (NEW."available_from", NEW."available_until", '
                        'NEW."brand", NEW."category_id", NEW."created_at", NEW."description", NEW."family_id", '
                        'NEW."id", NEW."image_url", NEW."is_active", NEW."is_card", NEW."minimum_tier", NEW."name", '
                        '_pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."points_cost", NEW."product_type", '
                        'NEW."sku", NEW."slug", NEW."source", NEW."stock_status", NEW."variant", '
                        'NEW."variant_position"); RETURN NULL;'
                    ),
                    hash="dea16b32dda142b04d6dbd48b892f9588a2e55bb",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_580c5",
                    table="product",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="product",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "catalog_productchange" ("available_from", "available_until", "brand", '
                        '"category_id", "created_at", "description", "family_id", "id", "image_url", "is_active", '
                        '"is_card", "minimum_tier", "name", "pgh_context_id", "pgh_created_at", "pgh_label", '
                        '"pgh_obj_id", "points_cost", "product_type", "sku", "slug", "source", "stock_status", '
                        '"variant", "variant_position") VALUES (OLD."available_from", OLD."available_until", '
                        'OLD."brand", OLD."category_id", OLD."created_at", OLD."description", OLD."family_id", '
                        'OLD."id", OLD."image_url", OLD."is_active", OLD."is_card", OLD."minimum_tier", OLD."name", '
                        '_pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."points_cost", OLD."product_type", '
                        'OLD."sku", OLD."slug", OLD."source", OLD."stock_status", OLD."variant", '
                        'OLD."variant_position"); RETURN NULL;'
                    ),
                    hash="f0d1c6e9281a9e1b64e70df964419a1ad1742490",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_a763a",
                    table="product",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="productchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="4abd9c48e20857a7b07c83a51d75b714bd9250c4",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_1c8ac",
                    table="catalog_productchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="productchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="df4a59c34c02422798a5a304a0afbcfa71b09508",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_f34fe",
                    table="catalog_productchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="productchange",
            trigger=pgtrigger.compiler.Trigger(
                name="table_stays",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        "\n"
                        "    IF current_setting('portal.history_may_go', true) IS DISTINCT FROM 'yes' THEN\n"
                        "        RAISE EXCEPTION 'Cannot empty the table %: history stays', TG_TABLE_NAME;\n"
                        "    END IF;\n"
                        "    RETURN NULL;\n"
                    ),
                    hash="e70af5053d52e14a0b868375b9690944256fca15",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_34a73",
                    table="catalog_productchange",
                    when="BEFORE",
                ),
            ),
        ),
    ]
