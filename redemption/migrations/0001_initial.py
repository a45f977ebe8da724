"""The tables of orders, their points, messages and incidents.

Made by makemigrations. What PostgreSQL does by itself, its triggers, comes last.
"""

import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import loyalty_portal.data.encrypted_field
import loyalty_portal.data.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        ("catalog", "0001_initial"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        migrations.CreateModel(
            name="Cart",
            fields=[
                (
                    "seat",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="cart",
                        serialize=False,
                        to="accounts.accountmanager",
                    ),
                ),
                ("token", models.UUIDField(default=loyalty_portal.data.ids.uuid7)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
        ),
        migrations.CreateModel(
            name="StatementLine",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("batch", models.UUIDField(db_index=True)),
                ("place", models.BigIntegerField()),
                ("entry", models.CharField(max_length=100)),
                ("kind", models.CharField(max_length=10)),
                ("account", models.CharField(max_length=100)),
                ("points", models.BigIntegerField()),
                ("reference", models.TextField()),
                ("original", models.CharField(blank=True, db_default="", default="", max_length=100)),
                ("at", models.DateTimeField()),
                ("read_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name": "statement line",
                "verbose_name_plural": "statement lines",
            },
        ),
        migrations.CreateModel(
            name="Callback",
            fields=[
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "raised",
                    models.PositiveSmallIntegerField(
                        db_default=0,
                        default=0,
                        editable=False,
                        help_text="Tries in a row that ended in an exception of ours.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), null=True),
                ),
                ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("lease_token", models.UUIDField(blank=True, editable=False, null=True)),
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("webhook_id", models.CharField(max_length=255, unique=True)),
                ("event_type", models.CharField(max_length=60)),
                ("reference", models.CharField(db_index=True, max_length=100)),
                (
                    "body",
                    loyalty_portal.data.encrypted_field.EncryptedTextField(help_text="As received; it may hold codes."),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("RECEIVED", "Received"),
                            ("PARKED", "Parked: reference not known yet"),
                            ("PROCESSED", "Processed"),
                            ("PUZZLING", "Cannot be processed"),
                        ],
                        default="RECEIVED",
                        max_length=10,
                    ),
                ),
                ("problem", models.CharField(blank=True, max_length=255)),
                ("received_at", models.DateTimeField(auto_now_add=True)),
                ("processed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "callback",
                "verbose_name_plural": "callbacks",
                "ordering": ["-received_at", "-id"],
                "indexes": [
                    models.Index(
                        models.F("next_attempt_at"),
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        name="callback_due",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("since", models.DateTimeField(verbose_name="from")),
                ("until", models.DateTimeField(verbose_name="until")),
                (
                    "source",
                    models.CharField(
                        choices=[("API", "Partner’s statement"), ("FILE", "Uploaded file")],
                        max_length=4,
                        verbose_name="source",
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("RUNNING", "At work"),
                            ("AGREED", "All agrees"),
                            ("DIFFERS", "Differences"),
                            ("FAILED", "Could not compare"),
                        ],
                        default="RUNNING",
                        max_length=8,
                        verbose_name="outcome",
                    ),
                ),
                ("problem", models.CharField(blank=True, max_length=255, verbose_name="why not")),
                (
                    "started_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name="started"),
                ),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished")),
                ("entries", models.PositiveIntegerField(default=0, verbose_name="entries at the partner")),
                ("matched", models.PositiveIntegerField(default=0, verbose_name="agree")),
                (
                    "waiting",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Entries for transactions whose answer is still being asked for.",
                        verbose_name="not yet known here",
                    ),
                ),
                ("points_taken", models.PositiveBigIntegerField(default=0, verbose_name="points taken")),
                ("points_given_back", models.PositiveBigIntegerField(default=0, verbose_name="points given back")),
                ("difference_count", models.PositiveIntegerField(default=0, verbose_name="differences")),
                (
                    "by",
                    models.ForeignKey(
                        help_text="Nobody: by the clock or by command.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reconciliations",
                        to="accounts.company",
                    ),
                ),
            ],
            options={
                "verbose_name": "reconciliation",
                "verbose_name_plural": "reconciliations",
                "ordering": ["-started_at", "-id"],
                "permissions": [("run_reconciliation", "Can compare with the partner's statement")],
                "indexes": [models.Index(fields=["company", "-started_at"], name="reconciliation_by_company")],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("company"),
                        condition=models.Q(("outcome", "RUNNING")),
                        name="one_reconciliation_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("outcome__in", ["RUNNING", "AGREED", "DIFFERS", "FAILED"])),
                        name="reconciliation_outcome_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ["API", "FILE"])), name="reconciliation_source_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("since__lt", models.F("until"))), name="reconciliation_spans_time"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("finished_at__isnull", True), ("outcome", "RUNNING")),
                            models.Q(models.Q(("outcome", "RUNNING"), _negated=True), ("finished_at__isnull", False)),
                            _connector="OR",
                        ),
                        name="reconciliation_ends_with_an_outcome",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ReconciledDay",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField(verbose_name="day")),
                ("entries", models.PositiveIntegerField(default=0)),
                ("matched", models.PositiveIntegerField(default=0)),
                ("waiting", models.PositiveIntegerField(default=0)),
                ("differences", models.PositiveIntegerField(default=0)),
                ("points_taken", models.PositiveBigIntegerField(default=0)),
                ("points_given_back", models.PositiveBigIntegerField(default=0)),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="accounts.company"
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="days", to="redemption.reconciliation"
                    ),
                ),
            ],
            options={
                "verbose_name": "reconciled day",
                "verbose_name_plural": "reconciled days",
                "ordering": ["day", "company__name"],
                "constraints": [
                    models.UniqueConstraint(models.F("company"), models.F("day"), name="reconciled_day_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="RedemptionOrder",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "order_number",
                    models.CharField(
                        default=loyalty_portal.data.ids.order_number, max_length=50, unique=True, verbose_name="order"
                    ),
                ),
                ("total_points", models.PositiveIntegerField(verbose_name="points")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("AWAITING_APPROVAL", "Waiting for approval"),
                            ("PENDING", "Taking points"),
                            ("CONFIRMED", "Confirmed"),
                            ("IN_FULFILLMENT", "In progress"),
                            ("CANCELLING", "Being cancelled"),
                            ("COMPLETED", "Completed"),
                            ("CANCELLED", "Cancelled"),
                            ("DECLINED", "Declined"),
                            ("REJECTED", "Not approved"),
                            ("EXPIRED", "Approval ran out"),
                        ],
                        max_length=50,
                        verbose_name="status",
                    ),
                ),
                ("token", models.UUIDField(editable=False, help_text="One form, one order.", unique=True)),
                ("reference", models.CharField(blank=True, max_length=100, verbose_name="your reference")),
                ("note", models.TextField(blank=True, max_length=1000, verbose_name="note")),
                ("approve_by", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.CharField(blank=True, max_length=255)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("needs_attention", models.BooleanField(default=False, verbose_name="needs attention")),
                ("attention_reason", models.CharField(blank=True, max_length=255, verbose_name="why")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="placed")),
                ("completed_at", models.DateTimeField(blank=True, null=True, verbose_name="completed")),
                (
                    "account_manager",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="accounts.accountmanager",
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="orders",
                        to="accounts.company",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "redemption order",
                "verbose_name_plural": "redemption orders",
                "db_table": "redemption_order",
                "ordering": ["-created_at", "-id"],
                "permissions": [
                    ("retry_order", "Can have an order's open calls tried now"),
                    ("cancel_order", "Can cancel an order for its company"),
                ],
                "indexes": [
                    models.Index(fields=["company", "-created_at"], name="order_by_company"),
                    models.Index(fields=["account_manager", "-created_at"], name="order_by_seat"),
                    models.Index(
                        condition=models.Q(("status", "AWAITING_APPROVAL")),
                        fields=["approve_by"],
                        name="order_approvals",
                    ),
                    models.Index(
                        condition=models.Q(("needs_attention", True)), fields=["-created_at"], name="order_attention"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("total_points__gt", 0)), name="order_costs_points"),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "AWAITING_APPROVAL",
                                    "PENDING",
                                    "CONFIRMED",
                                    "IN_FULFILLMENT",
                                    "CANCELLING",
                                    "COMPLETED",
                                    "CANCELLED",
                                    "DECLINED",
                                    "REJECTED",
                                    "EXPIRED",
                                ],
                            )
                        ),
                        name="order_status_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RedemptionOrderChange",
            fields=[
                ("pgh_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                (
                    "order_number",
                    models.CharField(default=loyalty_portal.data.ids.order_number, max_length=50, verbose_name="order"),
                ),
                ("total_points", models.PositiveIntegerField(verbose_name="points")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("AWAITING_APPROVAL", "Waiting for approval"),
                            ("PENDING", "Taking points"),
                            ("CONFIRMED", "Confirmed"),
                            ("IN_FULFILLMENT", "In progress"),
                            ("CANCELLING", "Being cancelled"),
                            ("COMPLETED", "Completed"),
                            ("CANCELLED", "Cancelled"),
                            ("DECLINED", "Declined"),
                            ("REJECTED", "Not approved"),
                            ("EXPIRED", "Approval ran out"),
                        ],
                        max_length=50,
                        verbose_name="status",
                    ),
                ),
                ("token", models.UUIDField(editable=False, help_text="One form, one order.")),
                ("reference", models.CharField(blank=True, max_length=100, verbose_name="your reference")),
                ("note", models.TextField(blank=True, max_length=1000, verbose_name="note")),
                ("approve_by", models.DateTimeField(blank=True, null=True)),
                ("decision_reason", models.CharField(blank=True, max_length=255)),
                ("cancel_requested_at", models.DateTimeField(blank=True, null=True)),
                ("needs_attention", models.BooleanField(default=False, verbose_name="needs attention")),
                ("attention_reason", models.CharField(blank=True, max_length=255, verbose_name="why")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="placed")),
                ("completed_at", models.DateTimeField(blank=True, null=True, verbose_name="completed")),
                (
                    "account_manager",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="accounts.accountmanager",
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="accounts.company",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
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
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="OrderItem",
            fields=[
                ("recipient_name", models.CharField(max_length=255, verbose_name="name")),
                ("recipient_email", models.EmailField(blank=True, max_length=254, verbose_name="e-mail")),
                ("recipient_phone", models.CharField(blank=True, max_length=32, verbose_name="phone")),
                ("address_line1", models.CharField(blank=True, max_length=255, verbose_name="address")),
                ("address_line2", models.CharField(blank=True, max_length=255, verbose_name="address, second line")),
                ("city", models.CharField(blank=True, max_length=120, verbose_name="city")),
                ("region", models.CharField(blank=True, max_length=120, verbose_name="state or region")),
                ("postcode", models.CharField(blank=True, max_length=20, verbose_name="postcode")),
                ("country", models.CharField(blank=True, max_length=80, verbose_name="country")),
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("product_name", models.CharField(help_text="As it was called when it was redeemed.", max_length=255)),
                ("sku", models.CharField(max_length=100, verbose_name="SKU")),
                ("quantity", models.PositiveIntegerField(verbose_name="quantity")),
                ("points_per_item", models.PositiveIntegerField(verbose_name="points each")),
                ("quantity_delivered", models.PositiveIntegerField(default=0, verbose_name="delivered")),
                (
                    "quantity_refunded",
                    models.PositiveIntegerField(
                        default=0, help_text="Units whose points go back, or have gone back.", verbose_name="refunded"
                    ),
                ),
                (
                    "fulfillment_status",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waiting"),
                            ("QUEUED", "Being prepared"),
                            ("REQUESTED", "Being delivered"),
                            ("PACKED", "Packed"),
                            ("SHIPPED", "Shipped"),
                            ("DELIVERED", "Delivered"),
                            ("FAILED", "Could not be supplied"),
                            ("CANCELLED", "Cancelled"),
                            ("RETURNED", "Returned"),
                        ],
                        default="WAITING",
                        max_length=50,
                        verbose_name="status",
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="catalog.product"
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="items",
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "verbose_name": "order item",
                "verbose_name_plural": "order items",
                "db_table": "order_item",
                "ordering": ["id"],
                "permissions": [("decide_delivery", "Can propose, and for others confirm, what became of a delivery")],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("quantity__gt", 0)), name="item_not_empty"),
                    models.CheckConstraint(condition=models.Q(("points_per_item__gt", 0)), name="item_costs_points"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("quantity__gte", models.F("quantity_refunded")),
                            ("quantity__gte", models.F("quantity_delivered")),
                        ),
                        name="item_units_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "fulfillment_status__in",
                                [
                                    "WAITING",
                                    "QUEUED",
                                    "REQUESTED",
                                    "PACKED",
                                    "SHIPPED",
                                    "DELIVERED",
                                    "FAILED",
                                    "CANCELLED",
                                    "RETURNED",
                                ],
                            )
                        ),
                        name="item_status_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderItemChange",
            fields=[
                ("pgh_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("recipient_name", models.CharField(max_length=255, verbose_name="name")),
                ("recipient_email", models.EmailField(blank=True, max_length=254, verbose_name="e-mail")),
                ("recipient_phone", models.CharField(blank=True, max_length=32, verbose_name="phone")),
                ("address_line1", models.CharField(blank=True, max_length=255, verbose_name="address")),
                ("address_line2", models.CharField(blank=True, max_length=255, verbose_name="address, second line")),
                ("city", models.CharField(blank=True, max_length=120, verbose_name="city")),
                ("region", models.CharField(blank=True, max_length=120, verbose_name="state or region")),
                ("postcode", models.CharField(blank=True, max_length=20, verbose_name="postcode")),
                ("country", models.CharField(blank=True, max_length=80, verbose_name="country")),
                ("id", models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                ("product_name", models.CharField(help_text="As it was called when it was redeemed.", max_length=255)),
                ("sku", models.CharField(max_length=100, verbose_name="SKU")),
                ("quantity", models.PositiveIntegerField(verbose_name="quantity")),
                ("points_per_item", models.PositiveIntegerField(verbose_name="points each")),
                ("quantity_delivered", models.PositiveIntegerField(default=0, verbose_name="delivered")),
                (
                    "quantity_refunded",
                    models.PositiveIntegerField(
                        default=0, help_text="Units whose points go back, or have gone back.", verbose_name="refunded"
                    ),
                ),
                (
                    "fulfillment_status",
                    models.CharField(
                        choices=[
                            ("WAITING", "Waiting"),
                            ("QUEUED", "Being prepared"),
                            ("REQUESTED", "Being delivered"),
                            ("PACKED", "Packed"),
                            ("SHIPPED", "Shipped"),
                            ("DELIVERED", "Delivered"),
                            ("FAILED", "Could not be supplied"),
                            ("CANCELLED", "Cancelled"),
                            ("RETURNED", "Returned"),
                        ],
                        default="WAITING",
                        max_length=50,
                        verbose_name="status",
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
                        to="redemption.orderitem",
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
                (
                    "order",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Letter",
            fields=[
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "raised",
                    models.PositiveSmallIntegerField(
                        db_default=0,
                        default=0,
                        editable=False,
                        help_text="Tries in a row that ended in an exception of ours.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), null=True),
                ),
                ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("lease_token", models.UUIDField(blank=True, editable=False, null=True)),
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
                            ("confirmed", "Order confirmed"),
                            ("shipped", "Shipped"),
                            ("delivered", "Delivered"),
                            ("cancelled", "Cancelled"),
                            ("refunded", "Points given back"),
                            ("declined", "Declined"),
                            ("corrected", "Put right"),
                        ],
                        max_length=20,
                        verbose_name="letter",
                    ),
                ),
                ("key", models.CharField(help_text="One letter for one occasion.", max_length=120, unique=True)),
                ("to", models.EmailField(max_length=254, verbose_name="to")),
                ("facts", models.JSONField(default=dict, help_text="What it tells; never a code.")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent")),
                ("problem", models.CharField(blank=True, max_length=255, verbose_name="problem")),
                (
                    "item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="redemption.orderitem",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="letters",
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "verbose_name": "letter",
                "verbose_name_plural": "letters",
                "ordering": ["created_at", "id"],
                "indexes": [
                    models.Index(
                        models.F("next_attempt_at"),
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        name="letter_due",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CartLine",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("quantity", models.PositiveIntegerField()),
                ("added_at", models.DateTimeField(auto_now_add=True)),
                (
                    "cart",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="lines", to="redemption.cart"
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="catalog.product"
                    ),
                ),
            ],
            options={
                "ordering": ["added_at", "id"],
                "constraints": [
                    models.UniqueConstraint(models.F("cart"), models.F("product"), name="cart_line_once"),
                    models.CheckConstraint(condition=models.Q(("quantity__gt", 0)), name="cart_line_not_empty"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("TOOK_PLACE", "It took place"),
                            ("DID_NOT", "It did not take place; give it up"),
                            ("ASK_AGAIN", "It did not take place; ask again"),
                            ("DELIVERED", "The partner delivered it"),
                            ("UNDELIVERED", "The partner did not deliver it"),
                            ("CODES", "The codes were wrong; give the right ones"),
                            ("CREDIT", "It was not delivered; give the points back"),
                            ("CORRECTION", "It was delivered; take the points again, as the company agreed"),
                            ("WRITE_OFF", "It was delivered; leave the points with the company"),
                        ],
                        max_length=12,
                        verbose_name="verdict",
                    ),
                ),
                (
                    "missing",
                    models.PositiveIntegerField(
                        db_default=0,
                        default=0,
                        help_text="Units that did not come, of a delivery that came in part.",
                        verbose_name="missing",
                    ),
                ),
                (
                    "external_transaction_id",
                    models.CharField(blank=True, max_length=100, verbose_name="at the partner"),
                ),
                (
                    "units",
                    models.PositiveIntegerField(
                        blank=True, help_text="Of a remedy: how many it is about.", null=True, verbose_name="units"
                    ),
                ),
                (
                    "found",
                    models.JSONField(
                        blank=True, help_text="Of a remedy: the partner's answer, without a code.", null=True
                    ),
                ),
                (
                    "agreed_by",
                    models.CharField(
                        blank=True, db_default="", help_text="Of the company.", max_length=200, verbose_name="agreed by"
                    ),
                ),
                ("agreed_on", models.DateField(blank=True, null=True, verbose_name="agreed on")),
                ("evidence", models.TextField(max_length=2000, verbose_name="evidence")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("PROPOSED", "Waits for a second person"),
                            ("CONFIRMED", "Confirmed"),
                            ("REJECTED", "Rejected"),
                            ("OVERTAKEN", "Settled otherwise before"),
                        ],
                        default="PROPOSED",
                        max_length=12,
                        verbose_name="status",
                    ),
                ),
                ("proposed_at", models.DateTimeField(auto_now_add=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("remark", models.TextField(blank=True, max_length=2000, verbose_name="remark")),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "proposed_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="decisions",
                        to="redemption.orderitem",
                    ),
                ),
            ],
            options={
                "verbose_name": "decision",
                "verbose_name_plural": "decisions",
                "ordering": ["proposed_at", "id"],
            },
        ),
        migrations.CreateModel(
            name="LoyaltyTransaction",
            fields=[
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "raised",
                    models.PositiveSmallIntegerField(
                        db_default=0,
                        default=0,
                        editable=False,
                        help_text="Tries in a row that ended in an exception of ours.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), null=True),
                ),
                ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("lease_token", models.UUIDField(blank=True, editable=False, null=True)),
                (
                    "first_sent_at",
                    models.DateTimeField(
                        blank=True, help_text="The first try that may have reached the partner.", null=True
                    ),
                ),
                ("answer_status", models.PositiveIntegerField(blank=True, null=True, verbose_name="HTTP status")),
                ("answer_code", models.CharField(blank=True, max_length=100, verbose_name="answer")),
                ("answer_detail", models.CharField(blank=True, max_length=255)),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("points_amount", models.PositiveIntegerField(verbose_name="points")),
                (
                    "transaction_type",
                    models.CharField(
                        choices=[("DEBIT", "Taken"), ("CREDIT", "Given back"), ("CORRECTION", "Taken again")],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                ("key", models.CharField(editable=False, max_length=255, unique=True)),
                ("body", models.TextField(editable=False, help_text="The bytes that every try sends.")),
                (
                    "external_transaction_id",
                    models.CharField(blank=True, max_length=100, verbose_name="at the partner"),
                ),
                (
                    "doubt",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("ASK", "Its key is asked again"),
                            ("INSISTS", "Asked again, and the partner keeps to it"),
                        ],
                        db_default="",
                        default="",
                        editable=False,
                        help_text="The partner gave its number to another transaction of ours too.",
                        max_length=8,
                    ),
                ),
                (
                    "disputed_id",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        editable=False,
                        help_text="The number that the partner gave it, and that another had.",
                        max_length=100,
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("INTENDED", "Intended"),
                            ("SENT", "Asking"),
                            ("UNKNOWN", "No clear answer yet"),
                            ("SUCCEEDED", "Done"),
                            ("REFUSED", "Refused"),
                            ("NEEDS_REVIEW", "A person must decide"),
                        ],
                        default="INTENDED",
                        max_length=50,
                        verbose_name="status",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=255, verbose_name="reason")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "company",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transactions",
                        to="accounts.company",
                    ),
                ),
                (
                    "decision",
                    models.OneToOneField(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="correction",
                        to="redemption.decision",
                    ),
                ),
                (
                    "original",
                    models.ForeignKey(
                        blank=True,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credits",
                        to="redemption.loyaltytransaction",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credits",
                        to="redemption.orderitem",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transactions",
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "verbose_name": "loyalty transaction",
                "verbose_name_plural": "loyalty transactions",
                "db_table": "loyalty_transaction",
                "ordering": ["created_at", "id"],
                "permissions": [("decide_transaction", "Can propose, and for others confirm, what became of one")],
                "indexes": [
                    models.Index(
                        models.F("next_attempt_at"),
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        name="transaction_due",
                    ),
                    models.Index(fields=["company", "-created_at"], name="transaction_by_company"),
                    models.Index(
                        condition=models.Q(("disputed_id", ""), _negated=True),
                        fields=["disputed_id"],
                        name="transaction_disputed",
                    ),
                    models.Index(
                        condition=models.Q(
                            ("status__in", ["INTENDED", "SENT", "UNKNOWN", "NEEDS_REVIEW"]),
                            ("transaction_type__in", ["DEBIT", "CORRECTION"]),
                        ),
                        fields=["company"],
                        name="transaction_unsettled",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("points_amount__gt", 0)), name="transaction_moves_points"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["INTENDED", "SENT", "UNKNOWN", "SUCCEEDED", "REFUSED", "NEEDS_REVIEW"])
                        ),
                        name="transaction_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decision__isnull", True), ("original__isnull", True), ("transaction_type", "DEBIT")
                            ),
                            models.Q(
                                ("decision__isnull", True), ("original__isnull", False), ("transaction_type", "CREDIT")
                            ),
                            models.Q(
                                ("decision__isnull", False),
                                ("item__isnull", False),
                                ("original__isnull", True),
                                ("transaction_type", "CORRECTION"),
                            ),
                            _connector="OR",
                        ),
                        name="credit_names_its_debit",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "SUCCEEDED"), _negated=True),
                            models.Q(("external_transaction_id", ""), _negated=True),
                            models.Q(("doubt", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="success_names_the_partners_entry",
                    ),
                    models.UniqueConstraint(
                        models.F("order"), condition=models.Q(("transaction_type", "DEBIT")), name="one_debit_an_order"
                    ),
                    models.UniqueConstraint(
                        models.F("external_transaction_id"),
                        condition=models.Q(("external_transaction_id", ""), _negated=True),
                        name="partners_entry_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="LoyaltyTransactionChange",
            fields=[
                ("pgh_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                (
                    "first_sent_at",
                    models.DateTimeField(
                        blank=True, help_text="The first try that may have reached the partner.", null=True
                    ),
                ),
                ("answer_status", models.PositiveIntegerField(blank=True, null=True, verbose_name="HTTP status")),
                ("answer_code", models.CharField(blank=True, max_length=100, verbose_name="answer")),
                ("answer_detail", models.CharField(blank=True, max_length=255)),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                ("id", models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                ("points_amount", models.PositiveIntegerField(verbose_name="points")),
                (
                    "transaction_type",
                    models.CharField(
                        choices=[("DEBIT", "Taken"), ("CREDIT", "Given back"), ("CORRECTION", "Taken again")],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                ("key", models.CharField(editable=False, max_length=255)),
                (
                    "external_transaction_id",
                    models.CharField(blank=True, max_length=100, verbose_name="at the partner"),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("INTENDED", "Intended"),
                            ("SENT", "Asking"),
                            ("UNKNOWN", "No clear answer yet"),
                            ("SUCCEEDED", "Done"),
                            ("REFUSED", "Refused"),
                            ("NEEDS_REVIEW", "A person must decide"),
                        ],
                        default="INTENDED",
                        max_length=50,
                        verbose_name="status",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=255, verbose_name="reason")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "company",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="accounts.company",
                    ),
                ),
                (
                    "decision",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="redemption.decision",
                    ),
                ),
                (
                    "original",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="redemption.loyaltytransaction",
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
                        to="redemption.loyaltytransaction",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="redemption.orderitem",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Incident",
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
                            ("MISMATCH", "Answer that does not match"),
                            ("CONTRADICTION", "Contradictory news"),
                            ("HORIZON", "Outcome unknown for too long"),
                            ("CREDIT_REFUSED", "Credit refused"),
                            ("CREDIT_LATE", "Credit that takes long"),
                            ("RECONCILIATION", "Difference to the partner’s statement"),
                            ("STOCK_DRIFT", "Stock that does not add up"),
                            ("STUCK_ORDER", "Order past its deadline"),
                            ("PUZZLING_CALLBACK", "Callback that cannot be processed"),
                            ("POISON_ROW", "Work that fails again and again"),
                            ("PARTNER_DOWN", "Partner that does not answer"),
                            ("SWAPPED", "Number of another transaction"),
                            ("CREDENTIALS", "Credentials that are not accepted"),
                            ("UNREADABLE", "Stored code that cannot be read"),
                        ],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                (
                    "severity",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "Warning"), (2, "Error"), (3, "Critical")], verbose_name="severity"
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        editable=False, help_text="Its cause; what has the same one joins it.", max_length=255
                    ),
                ),
                ("what", models.CharField(max_length=255, verbose_name="what happened")),
                (
                    "status",
                    models.CharField(
                        choices=[("OPEN", "Open"), ("ACKNOWLEDGED", "Somebody is on it"), ("RESOLVED", "Resolved")],
                        default="OPEN",
                        max_length=12,
                        verbose_name="status",
                    ),
                ),
                ("facts", models.JSONField(blank=True, default=dict, help_text="Never a code, never about a person.")),
                ("times_seen", models.PositiveIntegerField(default=1, verbose_name="times seen")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="since")),
                ("seen_at", models.DateTimeField(auto_now_add=True, verbose_name="last seen")),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
                ("evidence", models.TextField(blank=True, max_length=2000, verbose_name="evidence")),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incidents",
                        to="accounts.company",
                    ),
                ),
                (
                    "resolved_by",
                    models.ForeignKey(
                        blank=True,
                        help_text="Nobody: its cause went away by itself.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="redemption.loyaltytransaction",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        help_text="The comparison that found it first, and alerts once for all it found.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incidents",
                        to="redemption.reconciliation",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "verbose_name": "incident",
                "verbose_name_plural": "incidents",
                "ordering": ["-severity", "-created_at", "-id"],
                "permissions": [("handle_incident", "Can acknowledge and resolve incidents")],
                "indexes": [
                    models.Index(
                        condition=models.Q(("status", "RESOLVED"), _negated=True),
                        fields=["-severity", "-created_at"],
                        name="incident_unresolved",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("key"),
                        condition=models.Q(("status", "RESOLVED"), _negated=True),
                        name="incident_once_while_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "MISMATCH",
                                    "CONTRADICTION",
                                    "HORIZON",
                                    "CREDIT_REFUSED",
                                    "CREDIT_LATE",
                                    "RECONCILIATION",
                                    "STOCK_DRIFT",
                                    "STUCK_ORDER",
                                    "PUZZLING_CALLBACK",
                                    "POISON_ROW",
                                    "PARTNER_DOWN",
                                    "SWAPPED",
                                    "CREDENTIALS",
                                    "UNREADABLE",
                                ],
                            )
                        ),
                        name="incident_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["OPEN", "ACKNOWLEDGED", "RESOLVED"])),
                        name="incident_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("severity__in", [1, 2, 3])), name="incident_severity_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "ACKNOWLEDGED"), _negated=True),
                            models.Q(("acknowledged_at__isnull", False), ("acknowledged_by__isnull", False)),
                            _connector="OR",
                        ),
                        name="incident_acknowledged_by_somebody",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("resolved_at__isnull", False),
                                ("status", "RESOLVED"),
                                models.Q(("evidence", ""), _negated=True),
                            ),
                            models.Q(models.Q(("status", "RESOLVED"), _negated=True), ("resolved_at__isnull", True)),
                            _connector="OR",
                        ),
                        name="incident_resolved_with_evidence",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="IncidentEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("from_status", models.CharField(blank=True, max_length=12)),
                ("to_status", models.CharField(max_length=12)),
                ("reason", models.TextField(blank=True, max_length=2000)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="events", to="redemption.incident"
                    ),
                ),
            ],
            options={
                "verbose_name": "incident event",
                "verbose_name_plural": "incident events",
                "ordering": ["at", "id"],
            },
        ),
        migrations.CreateModel(
            name="Alert",
            fields=[
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "raised",
                    models.PositiveSmallIntegerField(
                        db_default=0,
                        default=0,
                        editable=False,
                        help_text="Tries in a row that ended in an exception of ours.",
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), null=True),
                ),
                ("lease_until", models.DateTimeField(blank=True, editable=False, null=True)),
                ("lease_token", models.UUIDField(blank=True, editable=False, null=True)),
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[("trigger", "Raised"), ("resolve", "Resolved")], max_length=10, verbose_name="alert"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent")),
                ("problem", models.CharField(blank=True, max_length=255, verbose_name="problem")),
                (
                    "incident",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="redemption.incident",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="alerts",
                        to="redemption.reconciliation",
                    ),
                ),
            ],
            options={
                "verbose_name": "alert",
                "verbose_name_plural": "alerts",
                "ordering": ["created_at", "id"],
                "indexes": [
                    models.Index(
                        models.F("next_attempt_at"),
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        name="alert_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(models.F("incident"), models.F("action"), name="one_alert_of_a_kind"),
                    models.UniqueConstraint(models.F("run"), models.F("action"), name="one_alert_a_run"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("incident__isnull", False), ("run__isnull", True)),
                            models.Q(("incident__isnull", True), ("run__isnull", False)),
                            _connector="OR",
                        ),
                        name="alert_about_one_thing",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("action__in", ["trigger", "resolve"])), name="alert_action_known"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OrderEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        choices=[("ORDER", "Order"), ("LINE", "Line"), ("TRANSACTION", "Points"), ("NOTE", "Note")],
                        max_length=12,
                    ),
                ),
                ("from_status", models.CharField(blank=True, max_length=20)),
                ("to_status", models.CharField(blank=True, max_length=20)),
                ("reason", models.CharField(blank=True, max_length=255)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="redemption.loyaltytransaction",
                    ),
                ),
                (
                    "item",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="redemption.orderitem",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "events",
                "ordering": ["at", "id"],
            },
        ),
        migrations.CreateModel(
            name="IncidentCase",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        editable=False, help_text="What it is about; one is open for each.", max_length=255
                    ),
                ),
                ("what", models.CharField(max_length=255, verbose_name="what happened")),
                ("facts", models.JSONField(blank=True, default=dict, help_text="Never a code, never about a person.")),
                ("times_seen", models.PositiveIntegerField(default=1, verbose_name="times seen")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="since")),
                ("seen_at", models.DateTimeField(auto_now_add=True, verbose_name="last seen")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                ("why", models.TextField(blank=True, max_length=2000, verbose_name="why it ended")),
                (
                    "ended_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="cases", to="redemption.incident"
                    ),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incident_cases",
                        to="redemption.loyaltytransaction",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="incident_cases",
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "verbose_name": "case of an incident",
                "verbose_name_plural": "cases of incidents",
                "ordering": ["-created_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("key"), condition=models.Q(("ended_at__isnull", True)), name="case_once_while_open"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("ended_at__isnull", True), ("why", "")),
                            models.Q(("ended_at__isnull", False), models.Q(("why", ""), _negated=True)),
                            _connector="OR",
                        ),
                        name="case_ends_with_a_reason",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Difference",
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
                            ("MISSING_THERE", "Missing at the partner"),
                            ("MISSING_HERE", "Missing here"),
                            ("AMOUNT", "Other points"),
                            ("ACCOUNT", "Other account"),
                            ("DUPLICATE", "Twice at the partner"),
                            ("SWAPPED", "Number of another"),
                            ("WRONG_DEBIT", "Booked on another debit"),
                            ("OTHER", "Other kind, order or outcome"),
                        ],
                        max_length=13,
                        verbose_name="difference",
                    ),
                ),
                ("key", models.CharField(help_text="Of its incident.", max_length=255)),
                (
                    "at",
                    models.DateTimeField(
                        help_text="Of the entry, or of ours where there is none.", verbose_name="when"
                    ),
                ),
                ("what", models.CharField(max_length=255, verbose_name="what")),
                ("entry", models.CharField(blank=True, max_length=100, verbose_name="entry")),
                ("points_there", models.PositiveBigIntegerField(null=True, verbose_name="points at the partner")),
                ("points_here", models.PositiveBigIntegerField(null=True, verbose_name="points here")),
                (
                    "incident",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="differences",
                        to="redemption.incident",
                    ),
                ),
                (
                    "transaction",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="redemption.loyaltytransaction",
                    ),
                ),
                (
                    "run",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="differences",
                        to="redemption.reconciliation",
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="redemption.redemptionorder",
                    ),
                ),
            ],
            options={
                "verbose_name": "difference",
                "verbose_name_plural": "differences",
                "ordering": ["at", "id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "MISSING_THERE",
                                    "MISSING_HERE",
                                    "AMOUNT",
                                    "ACCOUNT",
                                    "DUPLICATE",
                                    "SWAPPED",
                                    "WRONG_DEBIT",
                                    "OTHER",
                                ],
                            )
                        ),
                        name="difference_kind_known",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="decision",
            name="transaction",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="redemption.loyaltytransaction",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.UniqueConstraint(
                models.F("transaction"), condition=models.Q(("status", "PROPOSED")), name="one_proposal_at_a_time"
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.UniqueConstraint(
                models.F("item"), condition=models.Q(("status", "PROPOSED")), name="one_proposal_a_delivery"
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("decided_by__isnull", True),
                    models.Q(("decided_by", models.F("proposed_by")), _negated=True),
                    _connector="OR",
                ),
                name="decided_by_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["CONFIRMED", "REJECTED"]), _negated=True),
                    models.Q(("decided_at__isnull", False), ("decided_by__isnull", False)),
                    _connector="OR",
                ),
                name="decided_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("verdict", "TOOK_PLACE"), _negated=True),
                    models.Q(("external_transaction_id", ""), _negated=True),
                    _connector="OR",
                ),
                name="what_took_place_has_an_entry",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("evidence", ""), _negated=True), name="decision_has_evidence"
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("missing", 0), ("verdict", "DELIVERED"), _connector="OR"),
                name="missing_of_what_was_delivered",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("item__isnull", True),
                        ("transaction__isnull", False),
                        ("verdict__in", ("TOOK_PLACE", "DID_NOT", "ASK_AGAIN")),
                    ),
                    models.Q(
                        ("item__isnull", False),
                        ("transaction__isnull", True),
                        ("verdict__in", ("DELIVERED", "UNDELIVERED", "CODES", "CREDIT", "CORRECTION", "WRITE_OFF")),
                    ),
                    _connector="OR",
                ),
                name="decision_verdict_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("verdict__in", ("CODES", "CREDIT", "CORRECTION", "WRITE_OFF")), _negated=True),
                    models.Q(("found__isnull", False), ("units__gt", 0)),
                    _connector="OR",
                ),
                name="remedy_has_the_partners_answer",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("verdict", "CORRECTION"), _negated=True),
                    models.Q(models.Q(("agreed_by", ""), _negated=True), ("agreed_on__isnull", False)),
                    _connector="OR",
                ),
                name="correction_is_agreed_to",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["PROPOSED", "CONFIRMED", "REJECTED", "OVERTAKEN"])),
                name="decision_status_known",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="reconciliation",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (NOT (OLD.\"outcome\" = 'RUNNING'))",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="2cb9b904751aa5ea9b8aa849edce9c5ebd622587",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_5255d",
                    table="redemption_reconciliation",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="reconciliation",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="7e2bc02479d779de57bbb8df6331f159b7a5cd20",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_3de9e",
                    table="redemption_reconciliation",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="reconciliation",
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
                    hash="4b45ef820c51626c9ef3dc713b2af7ad37876aa7",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_1c9c8",
                    table="redemption_reconciliation",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemptionorder",
            trigger=pgtrigger.compiler.Trigger(
                name="replaced_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func=(
                        'INSERT INTO "redemption_redemptionorderchange" ("account_manager_id", "approve_by", '
                        '"attention_reason", "cancel_requested_at", "company_id", "completed_at", "created_at", '
                        '"decided_by_id", "decision_reason", "id", "needs_attention", "note", "order_number", '
                        '"pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reference", "status", '
                        '"token", "total_points") VALUES (OLD."account_manager_id", OLD."approve_by", '
                        'OLD."attention_reason", OLD."cancel_requested_at", OLD."company_id", OLD."completed_at", '
                        'OLD."created_at", OLD."decided_by_id", OLD."decision_reason", OLD."id", '
                        'OLD."needs_attention", OLD."note", OLD."order_number", _pgh_attach_context(), NOW(), '
                        '\'replaced\', OLD."id", OLD."reference", OLD."status", OLD."token", OLD."total_points"); '
                        "RETURN NULL;"
                    ),
                    hash="ce28292264c1e4956b333770fb435f60e1ad27a2",
                    operation="UPDATE",
                    pgid="pgtrigger_replaced_update_0f26c",
                    table="redemption_order",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemptionorder",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "redemption_redemptionorderchange" ("account_manager_id", "approve_by", '
                        '"attention_reason", "cancel_requested_at", "company_id", "completed_at", "created_at", '
                        '"decided_by_id", "decision_reason", "id", "needs_attention", "note", "order_number", '
                        '"pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "reference", "status", '
                        '"token", "total_points") VALUES (OLD."account_manager_id", OLD."approve_by", '
                        'OLD."attention_reason", OLD."cancel_requested_at", OLD."company_id", OLD."completed_at", '
                        'OLD."created_at", OLD."decided_by_id", OLD."decision_reason", OLD."id", '
                        'OLD."needs_attention", OLD."note", OLD."order_number", _pgh_attach_context(), NOW(), '
                        '\'delete\', OLD."id", OLD."reference", OLD."status", OLD."token", OLD."total_points"); RETURN '
                        "NULL;"
                    ),
                    hash="161bbc04b8a2cabd18acb9e81b8173a557e40ff8",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_e6b09",
                    table="redemption_order",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemptionorderchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="ea2a9b4ab1366173869f7f25b98f9689498094b3",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_56ccf",
                    table="redemption_redemptionorderchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemptionorderchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="4087c883cf0fd619d4299fbc68a72baefb63d560",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_6b73a",
                    table="redemption_redemptionorderchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="redemptionorderchange",
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
                    hash="2c36f90af98812a732f0527bfb2082d4d9bc7677",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_7bac6",
                    table="redemption_redemptionorderchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="orderitem",
            trigger=pgtrigger.compiler.Trigger(
                name="replaced_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func=(
                        'INSERT INTO "redemption_orderitemchange" ("address_line1", "address_line2", "city", '
                        '"country", "fulfillment_status", "id", "order_id", "pgh_context_id", "pgh_created_at", '
                        '"pgh_label", "pgh_obj_id", "points_per_item", "postcode", "product_id", "product_name", '
                        '"quantity", "quantity_delivered", "quantity_refunded", "recipient_email", "recipient_name", '
                        '"recipient_phone", "region", "sku") VALUES (OLD."address_line1", OLD."address_line2", '
                        'OLD."city", OLD."country", OLD."fulfillment_status", OLD."id", OLD."order_id", '
                        '_pgh_attach_context(), NOW(), \'replaced\', OLD."id", OLD."points_per_item", OLD."postcode", '
                        'OLD."product_id", OLD."product_name", OLD."quantity", OLD."quantity_delivered", '
                        'OLD."quantity_refunded", OLD."recipient_email", OLD."recipient_name", OLD."recipient_phone", '
                        'OLD."region", OLD."sku"); RETURN NULL;'
                    ),
                    hash="fe3666def4cea2854b934a3b80d1ea84af5d251f",
                    operation="UPDATE",
                    pgid="pgtrigger_replaced_update_920ec",
                    table="order_item",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="orderitem",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "redemption_orderitemchange" ("address_line1", "address_line2", "city", '
                        '"country", "fulfillment_status", "id", "order_id", "pgh_context_id", "pgh_created_at", '
                        '"pgh_label", "pgh_obj_id", "points_per_item", "postcode", "product_id", "product_name", '
                        '"quantity", "quantity_delivered", "quantity_refunded", "recipient_email", "recipient_name", '
                        '"recipient_phone", "region", "sku") VALUES (OLD."address_line1", OLD."address_line2", '
                        'OLD."city", OLD."country", OLD."fulfillment_status", OLD."id", OLD."order_id", '
                        '_pgh_attach_context(), NOW(), \'delete\', OLD."id", OLD."points_per_item", OLD."postcode", '
                        'OLD."product_id", OLD."product_name", OLD."quantity", OLD."quantity_delivered", '
                        'OLD."quantity_refunded", OLD."recipient_email", OLD."recipient_name", OLD."recipient_phone", '
                        'OLD."region", OLD."sku"); RETURN NULL;'
                    ),
                    hash="7342365844e51030f24b07e3b9e603daf1bf1175",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_a0cd2",
                    table="order_item",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="orderitemchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="8bbfc8ec36a9f34739f3670221fd9cb98d948905",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_d11b7",
                    table="redemption_orderitemchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="orderitemchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="2243d514a472e974e0d4aaed882958cf5da7b721",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_9c0bc",
                    table="redemption_orderitemchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="orderitemchange",
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
                    hash="b8205a258ca7df173395265bd423eba95b0745db",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_1b846",
                    table="redemption_orderitemchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="decision",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (NOT (OLD.\"status\" = 'PROPOSED'))",
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="eeb784410e5756fba83f461e5671db81fe8ec461",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_9436e",
                    table="redemption_decision",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="decision",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="92d6e5465d3fb1ba38672303308aafa7fcd08b7e",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_354c1",
                    table="redemption_decision",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="decision",
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
                    hash="e4da3a1d69434c2fd4fc789d34ea5213651e0acb",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_40639",
                    table="redemption_decision",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="decision",
            trigger=pgtrigger.compiler.Trigger(
                name="write_offs_within_credits",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (NEW.\"status\" = 'CONFIRMED' AND NEW.\"verdict\" = 'WRITE_OFF')",
                    func=(
                        "\n"
                        "    PERFORM 1 FROM redemption_order\n"
                        "        WHERE id = (SELECT order_id FROM order_item WHERE id = NEW.item_id) FOR NO KEY "
                        "UPDATE;\n"
                        "    IF COALESCE((\n"
                        "            SELECT SUM(d.units) FROM redemption_decision d\n"
                        "            WHERE d.item_id = NEW.item_id AND d.id <> NEW.id\n"
                        "              AND d.verdict = 'WRITE_OFF' AND d.status = 'CONFIRMED'\n"
                        "        ), 0) + NEW.units > COALESCE((\n"
                        "            SELECT SUM(CASE t.transaction_type WHEN 'CREDIT' THEN t.points_amount\n"
                        "                                               ELSE -t.points_amount END) / "
                        "i.points_per_item\n"
                        "            FROM order_item i JOIN loyalty_transaction t ON t.item_id = i.id\n"
                        "            WHERE i.id = NEW.item_id AND t.status <> 'REFUSED' GROUP BY i.points_per_item\n"
                        "        ), 0)\n"
                        "    THEN\n"
                        "        RAISE EXCEPTION 'write-offs of line % would exceed its credits', NEW.item_id\n"
                        "            USING ERRCODE = 'check_violation', CONSTRAINT = 'write_offs_within_credits';\n"
                        "    END IF;\n"
                        "    RETURN NEW;\n"
                    ),
                    hash="1a387bf8ec49cbef8710bcf3d7737fdf84eae698",
                    operation="INSERT OR UPDATE",
                    pgid="pgtrigger_write_offs_within_credits_106ff",
                    table="redemption_decision",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="loyaltytransaction",
            trigger=pgtrigger.compiler.Trigger(
                name="credits_within_debit",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (NEW.\"transaction_type\" = 'CREDIT')",
                    func=(
                        "\n"
                        "    PERFORM 1 FROM redemption_order WHERE id = NEW.order_id FOR NO KEY UPDATE;\n"
                        "    IF NEW.points_amount + COALESCE((\n"
                        "            SELECT SUM(points_amount) FROM loyalty_transaction\n"
                        "            WHERE original_id = NEW.original_id AND transaction_type = 'CREDIT'\n"
                        "        ), 0) > COALESCE((\n"
                        "            SELECT points_amount FROM loyalty_transaction\n"
                        "            WHERE order_id = NEW.order_id AND id = NEW.original_id AND status = 'SUCCEEDED'\n"
                        "              AND (transaction_type = 'DEBIT'\n"
                        "                   OR transaction_type = 'CORRECTION' AND item_id = NEW.item_id)\n"
                        "        ), 0)\n"
                        "    THEN\n"
                        "        RAISE EXCEPTION 'credits of order % would exceed its debit', NEW.order_id\n"
                        "            USING ERRCODE = 'check_violation', CONSTRAINT = 'credits_within_debit';\n"
                        "    END IF;\n"
                        "    RETURN NEW;\n"
                    ),
                    hash="a77a2173b576d7ec6f31936e7bef8634d718e254",
                    operation="INSERT",
                    pgid="pgtrigger_credits_within_debit_40ffd",
                    table="loyalty_transaction",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="loyaltytransaction",
            trigger=pgtrigger.compiler.Trigger(
                name="corrections_within_credits",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (NEW.\"transaction_type\" = 'CORRECTION')",
                    func=(
                        "\n"
                        "    PERFORM 1 FROM redemption_order WHERE id = NEW.order_id FOR NO KEY UPDATE;\n"
                        "    IF NOT EXISTS (\n"
                        "            SELECT 1 FROM redemption_decision\n"
                        "            WHERE id = NEW.decision_id AND item_id = NEW.item_id\n"
                        "              AND verdict = 'CORRECTION' AND status = 'CONFIRMED'\n"
                        "        ) OR NEW.points_amount + COALESCE((\n"
                        "            SELECT SUM(points_amount) FROM loyalty_transaction\n"
                        "            WHERE item_id = NEW.item_id AND transaction_type = 'CORRECTION'\n"
                        "              AND status <> 'REFUSED'\n"
                        "        ), 0) + COALESCE((\n"
                        "            SELECT SUM(d.units * i.points_per_item)\n"
                        "            FROM redemption_decision d JOIN order_item i ON i.id = d.item_id\n"
                        "            WHERE i.id = NEW.item_id AND d.verdict = 'WRITE_OFF' AND d.status = 'CONFIRMED'\n"
                        "        ), 0) > COALESCE((\n"
                        "            SELECT SUM(points_amount) FROM loyalty_transaction\n"
                        "            WHERE item_id = NEW.item_id AND transaction_type = 'CREDIT' AND status = "
                        "'SUCCEEDED'\n"
                        "        ), 0)\n"
                        "    THEN\n"
                        "        RAISE EXCEPTION 'corrections of line % would exceed its credits', NEW.item_id\n"
                        "            USING ERRCODE = 'check_violation', CONSTRAINT = 'corrections_within_credits';\n"
                        "    END IF;\n"
                        "    RETURN NEW;\n"
                    ),
                    hash="de069df84f8ca7176e011bbd49294d7960292777",
                    operation="INSERT",
                    pgid="pgtrigger_corrections_within_credits_a5381",
                    table="loyalty_transaction",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="loyaltytransaction",
            trigger=pgtrigger.compiler.Trigger(
                name="replaced_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition=(
                        'WHEN (OLD."answer_code" IS DISTINCT FROM (NEW."answer_code") OR OLD."answer_detail" IS '
                        'DISTINCT FROM (NEW."answer_detail") OR OLD."answer_status" IS DISTINCT FROM '
                        '(NEW."answer_status") OR OLD."company_id" IS DISTINCT FROM (NEW."company_id") OR '
                        'OLD."created_at" IS DISTINCT FROM (NEW."created_at") OR OLD."decision_id" IS DISTINCT FROM '
                        '(NEW."decision_id") OR OLD."external_transaction_id" IS DISTINCT FROM '
                        '(NEW."external_transaction_id") OR OLD."first_sent_at" IS DISTINCT FROM (NEW."first_sent_at") '
                        'OR OLD."id" IS DISTINCT FROM (NEW."id") OR OLD."item_id" IS DISTINCT FROM (NEW."item_id") OR '
                        'OLD."key" IS DISTINCT FROM (NEW."key") OR OLD."order_id" IS DISTINCT FROM (NEW."order_id") OR '
                        'OLD."original_id" IS DISTINCT FROM (NEW."original_id") OR OLD."points_amount" IS DISTINCT '
                        'FROM (NEW."points_amount") OR OLD."reason" IS DISTINCT FROM (NEW."reason") OR '
                        'OLD."settled_at" IS DISTINCT FROM (NEW."settled_at") OR OLD."status" IS DISTINCT FROM '
                        '(NEW."status") OR OLD."transaction_type" IS DISTINCT FROM (NEW."transaction_type"))'
                    ),
                    func=(
                        'INSERT INTO "redemption_loyaltytransactionchange" ("answer_code", "answer_detail", '
                        '"answer_status", "company_id", "created_at", "decision_id", "external_transaction_id", '
                        '"first_sent_at", "id", "item_id", "key", "order_id", "original_id", "pgh_context_id", '
                        '"pgh_created_at", "pgh_label", "pgh_obj_id", "points_amount", "reason", "settled_at", '
                        '"status", "transaction_type") VALUES (OLD."answer_code", OLD."answer_detail", '
                        'OLD."answer_status", OLD."company_id", OLD."created_at", OLD."decision_id", '
                        'OLD."external_transaction_id", OLD."first_sent_at", OLD."id", OLD."item_id", OLD."key", '
                        'OLD."order_id", OLD."original_id", _pgh_attach_context(), NOW(), \'replaced\', OLD."id", '
                        'OLD."points_amount", OLD."reason", OLD."settled_at", OLD."status", OLD."transaction_type"); '
                        "RETURN NULL;"
                    ),
                    hash="84f46b61ec16072a5e4fb6949c173628dc03a128",
                    operation="UPDATE",
                    pgid="pgtrigger_replaced_update_0ed23",
                    table="loyalty_transaction",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="loyaltytransaction",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "redemption_loyaltytransactionchange" ("answer_code", "answer_detail", '
                        '"answer_status", "company_id", "created_at", "decision_id", "external_transaction_id", '
                        '"first_sent_at", "id", "item_id", "key", "order_id", "original_id", "pgh_context_id", '
                        '"pgh_created_at", "pgh_label", "pgh_obj_id", "points_amount", "reason", "settled_at", '
                        '"status", "transaction_type") VALUES (OLD."answer_code", OLD."answer_detail", '
                        'OLD."answer_status", OLD."company_id", OLD."created_at", OLD."decision_id", '
                        'OLD."external_transaction_id", OLD."first_sent_at", OLD."id", OLD."item_id", OLD."key", '
                        'OLD."order_id", OLD."original_id", _pgh_attach_context(), NOW(), \'delete\', OLD."id", '
                        'OLD."points_amount", OLD."reason", OLD."settled_at", OLD."status", OLD."transaction_type"); '
                        "RETURN NULL;"
                    ),
                    hash="556ba1568ce26ff92e7707c2019b2c8504659eb6",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_25b01",
                    table="loyalty_transaction",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="loyaltytransactionchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="79253f711ba77716e81ae4d44b11f5a8dcc9179f",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_18008",
                    table="redemption_loyaltytransactionchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="loyaltytransactionchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="8922890b3c9c48803340300620374c9b186e4e5e",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_38a4c",
                    table="redemption_loyaltytransactionchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="loyaltytransactionchange",
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
                    hash="0e73b39e4ac7913148a6bd15fb2c47ff956b9bd9",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_9a41c",
                    table="redemption_loyaltytransactionchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incidentevent",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="a49f3a2d3bfe1eb6a9516f0c936279e11ef8faf5",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_c310f",
                    table="redemption_incidentevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incidentevent",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="c12046929b7636e560b54de2555cfcf608ea243e",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_4d2d0",
                    table="redemption_incidentevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="incidentevent",
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
                    hash="e5e7aae65924ced572ae4705ca19e5f400af64d2",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_00f67",
                    table="redemption_incidentevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="orderevent",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="d7425068ec78a33bae27ab743f6f11ee3dbec107",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_ad964",
                    table="redemption_orderevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="orderevent",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="99eac7d372d9aa9f2d47347e587ace16f686c951",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_1f6b0",
                    table="redemption_orderevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="orderevent",
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
                    hash="245ce4447251240c856b10d5479b46a22595105d",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_4f369",
                    table="redemption_orderevent",
                    when="BEFORE",
                ),
            ),
        ),
    ]
