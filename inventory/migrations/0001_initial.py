"""The tables of stock.

Made by makemigrations. What PostgreSQL does by itself, its triggers, comes last.
"""

import django.db.models.deletion
import django.db.models.expressions
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import loyalty_portal.data.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("catalog", "0001_initial"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        migrations.CreateModel(
            name="Inventory",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "quantity_available",
                    models.IntegerField(default=0, help_text="Can be reserved now.", verbose_name="available"),
                ),
                (
                    "quantity_reserved",
                    models.IntegerField(default=0, help_text="Held for orders.", verbose_name="reserved"),
                ),
                (
                    "low_stock_at",
                    models.PositiveIntegerField(
                        default=5,
                        help_text="Shown as low when this many or fewer are available.",
                        verbose_name="low at",
                    ),
                ),
                (
                    "is_tracked",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="If not, it can always be redeemed, in any number.",
                        verbose_name="counted",
                    ),
                ),
                ("last_updated", models.DateTimeField(auto_now=True)),
                (
                    "product",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="inventory", to="catalog.product"
                    ),
                ),
            ],
            options={
                "verbose_name": "stock of a product",
                "verbose_name_plural": "stock",
                "db_table": "inventory",
                "permissions": [("move_stock", "Can receive, count and adjust stock")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("quantity_available__gte", 0)), name="available_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("quantity_reserved__gte", 0)), name="reserved_not_negative"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("is_tracked", True), ("quantity_available", 0), _connector="OR"),
                        name="uncounted_has_none_available",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="InventoryChange",
            fields=[
                ("pgh_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                (
                    "quantity_available",
                    models.IntegerField(default=0, help_text="Can be reserved now.", verbose_name="available"),
                ),
                (
                    "quantity_reserved",
                    models.IntegerField(default=0, help_text="Held for orders.", verbose_name="reserved"),
                ),
                (
                    "low_stock_at",
                    models.PositiveIntegerField(
                        default=5,
                        help_text="Shown as low when this many or fewer are available.",
                        verbose_name="low at",
                    ),
                ),
                (
                    "is_tracked",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="If not, it can always be redeemed, in any number.",
                        verbose_name="counted",
                    ),
                ),
                ("last_updated", models.DateTimeField(auto_now=True)),
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
                        to="inventory.inventory",
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="catalog.product",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Reservation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("reference", models.UUIDField(help_text="The order line it is for.", unique=True)),
                ("quantity", models.PositiveIntegerField()),
                ("released", models.PositiveIntegerField(default=0)),
                ("consumed", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="reservations", to="catalog.product"
                    ),
                ),
            ],
            options={
                "verbose_name": "reservation",
                "verbose_name_plural": "reservations",
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            (
                                "quantity__gt",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("released"), "+", models.F("consumed")
                                ),
                            )
                        ),
                        fields=["product"],
                        name="reservation_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "quantity__gte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("released"), "+", models.F("consumed")
                                ),
                            )
                        ),
                        name="reservation_spent_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="StockMovement",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("RECEIVED", "Received"),
                            ("ADJUSTED", "Adjusted"),
                            ("RESERVED", "Reserved"),
                            ("RELEASED", "Released"),
                            ("CONSUMED", "Sent out"),
                        ],
                        max_length=10,
                    ),
                ),
                ("available_change", models.IntegerField(verbose_name="available")),
                ("reserved_change", models.IntegerField(verbose_name="reserved")),
                ("reference", models.UUIDField(blank=True, help_text="The order line it was for.", null=True)),
                ("reason", models.CharField(blank=True, max_length=255, verbose_name="reason")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="movements",
                        to="catalog.product",
                    ),
                ),
            ],
            options={
                "verbose_name": "stock movement",
                "verbose_name_plural": "stock movements",
                "ordering": ["-created_at", "-id"],
                "indexes": [models.Index(fields=["product", "-created_at"], name="movement_by_product")],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="inventory",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "inventory_inventorychange" ("id", "is_tracked", "last_updated", "low_stock_at", '
                        '"pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", '
                        '"quantity_available", "quantity_reserved") VALUES (NEW."id", NEW."is_tracked", '
                        'NEW."last_updated", NEW."low_stock_at", _pgh_attach_context(), NOW(), \'insert\', NEW."id", '
                        'NEW."product_id", NEW."quantity_available", NEW."quantity_reserved"); RETURN NULL;'
                    ),
                    hash="c9791707af2f1920f0c3309ed927636a5c4547e0",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_a2c47",
                    table="inventory",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="inventory",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func=(
                        'INSERT INTO "inventory_inventorychange" ("id", "is_tracked", "last_updated", "low_stock_at", '
                        '"pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", '
                        '"quantity_available", "quantity_reserved") VALUES (NEW."id", NEW."is_tracked", '
                        'NEW."last_updated", NEW."low_stock_at", _pgh_attach_context(), NOW(), \'update\', NEW."id", '
                        'NEW."product_id", NEW."quantity_available", NEW."quantity_reserved"); RETURN NULL;'
                    ),
                    hash="36e78b701205b9e7176c3a69d4e2991c913abe41",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_f5e13",
                    table="inventory",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="inventory",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "inventory_inventorychange" ("id", "is_tracked", "last_updated", "low_stock_at", '
                        '"pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "product_id", '
                        '"quantity_available", "quantity_reserved") VALUES (OLD."id", OLD."is_tracked", '
                        'OLD."last_updated", OLD."low_stock_at", _pgh_attach_context(), NOW(), \'delete\', OLD."id", '
                        'OLD."product_id", OLD."quantity_available", OLD."quantity_reserved"); RETURN NULL;'
                    ),
                    hash="2a96a380dd48de34b307299f78873e3c15b84421",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_a6fe1",
                    table="inventory",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="inventorychange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="aa676b09b5212a4089f7a38a2f7b5566966abae3",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_54b94",
                    table="inventory_inventorychange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="inventorychange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="fbb6502acb64b816ca69e87a95b3a644ae37a271",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_fd4c4",
                    table="inventory_inventorychange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="inventorychange",
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
                    hash="e035f46a95a3e454ebe7baa5c701a17452a61eeb",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_bc319",
                    table="inventory_inventorychange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="stockmovement",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="db20b75fd5e0c2769e5b3381af85f5ed66f0796d",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_19a67",
                    table="inventory_stockmovement",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="stockmovement",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="4e9b6f3efa6956f09c28a38a6d8482ceaffc02a6",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_71540",
                    table="inventory_stockmovement",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="stockmovement",
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
                    hash="1e6d5da2d75cdb83842e88389552479ffe2ff3ed",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_bc586",
                    table="inventory_stockmovement",
                    when="BEFORE",
                ),
            ),
        ),
    ]
