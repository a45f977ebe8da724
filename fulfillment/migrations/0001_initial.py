"""The tables of parcels, shipments and virtual deliveries.

Made by makemigrations. What PostgreSQL does by itself, its triggers, comes last.
"""

import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import loyalty_portal.data.encrypted_field
import loyalty_portal.data.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Fulfillment",
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
                    "reference",
                    models.UUIDField(editable=False, help_text="What it is for: an order line.", unique=True),
                ),
                (
                    "label",
                    models.CharField(
                        help_text="What people call it: the order number.", max_length=50, verbose_name="order"
                    ),
                ),
                (
                    "channel",
                    models.CharField(choices=[("DESK", "The desk"), ("PARTNER", "The partner")], max_length=10),
                ),
                ("sku", models.CharField(max_length=100, verbose_name="SKU")),
                ("product_name", models.CharField(max_length=255, verbose_name="product")),
                ("quantity", models.PositiveIntegerField(verbose_name="quantity")),
                ("quantity_shipped", models.PositiveIntegerField(default=0, verbose_name="shipped")),
                ("quantity_delivered", models.PositiveIntegerField(default=0, verbose_name="delivered")),
                (
                    "quantity_failed",
                    models.PositiveIntegerField(
                        default=0, help_text="Could not be supplied, or cancelled.", verbose_name="not supplied"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("QUEUED", "In the queue"),
                            ("REQUESTED", "Asked of the partner"),
                            ("PACKED", "Packed"),
                            ("SHIPPED", "Shipped"),
                            ("DELIVERED", "Delivered"),
                            ("FAILED", "Could not be supplied"),
                            ("CANCELLED", "Cancelled"),
                            ("RETURNED", "Returned"),
                        ],
                        max_length=10,
                        verbose_name="status",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=255, verbose_name="reason")),
                ("promised_by", models.DateTimeField(verbose_name="promised by")),
                ("partner_id", models.CharField(blank=True, max_length=100)),
                ("partner_status", models.CharField(blank=True, max_length=20)),
                ("attention", models.CharField(blank=True, max_length=255, verbose_name="needs attention")),
                (
                    "hints",
                    models.JSONField(
                        blank=True,
                        editable=False,
                        help_text="What callbacks said and the partner, asked, has not answered yet.",
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "told_at",
                    models.DateTimeField(
                        blank=True, help_text="When the partner last answered how it stands.", null=True
                    ),
                ),
                (
                    "claimed_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="claimed by",
                    ),
                ),
            ],
            options={
                "verbose_name": "fulfillment",
                "verbose_name_plural": "fulfillments",
                "ordering": ["promised_by", "id"],
                "permissions": [
                    ("work_desk", "Can claim, pack, ship and settle at the desk"),
                    ("take_over_work", "Can take over what a colleague at the desk has claimed"),
                ],
                "indexes": [
                    models.Index(
                        models.F("next_attempt_at"),
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        name="fulfillment_due",
                    ),
                    models.Index(fields=["partner_id"], name="fulfillment_partner_id"),
                    models.Index(
                        condition=models.Q(("channel", "DESK"), ("status__in", ["QUEUED", "PACKED", "SHIPPED"])),
                        fields=["promised_by"],
                        name="fulfillment_queue",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "quantity__gte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("quantity_shipped"), "+", models.F("quantity_failed")
                                ),
                            ),
                            (
                                "quantity__gte",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("quantity_delivered"), "+", models.F("quantity_failed")
                                ),
                            ),
                        ),
                        name="fulfillment_units_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CodeReveal",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "fulfillment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reveals",
                        to="fulfillment.fulfillment",
                    ),
                ),
            ],
            options={
                "ordering": ["at"],
            },
        ),
        migrations.CreateModel(
            name="FulfillmentEvent",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("from_status", models.CharField(blank=True, max_length=12)),
                ("to_status", models.CharField(max_length=12)),
                ("reason", models.CharField(blank=True, max_length=255)),
                ("at", models.DateTimeField(auto_now_add=True)),
                (
                    "by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "fulfillment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="events", to="fulfillment.fulfillment"
                    ),
                ),
            ],
            options={
                "ordering": ["at", "id"],
            },
        ),
        migrations.CreateModel(
            name="PartnerCall",
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
                ("kind", models.CharField(choices=[("REQUEST", "Deliver"), ("CANCEL", "Cancel")], max_length=10)),
                ("key", models.CharField(max_length=255, unique=True)),
                ("body", models.TextField(blank=True)),
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
                            ("WITHDRAWN", "Withdrawn before it was sent"),
                        ],
                        default="INTENDED",
                        max_length=12,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "fulfillment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="calls", to="fulfillment.fulfillment"
                    ),
                ),
            ],
            options={
                "verbose_name": "call to the partner",
                "verbose_name_plural": "calls to the partner",
                "ordering": ["created_at", "id"],
                "indexes": [
                    models.Index(
                        models.F("next_attempt_at"),
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        name="partner_call_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(models.F("fulfillment"), models.F("kind"), name="one_call_of_a_kind")
                ],
            },
        ),
        migrations.CreateModel(
            name="Shipment",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("quantity", models.PositiveIntegerField(verbose_name="quantity")),
                ("carrier", models.CharField(max_length=80, verbose_name="carrier")),
                ("tracking_number", models.CharField(blank=True, max_length=120, verbose_name="tracking number")),
                ("shipped_at", models.DateTimeField(auto_now_add=True, verbose_name="shipped")),
                ("delivered_at", models.DateTimeField(blank=True, null=True, verbose_name="delivered")),
                (
                    "fulfillment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="shipments",
                        to="fulfillment.fulfillment",
                    ),
                ),
                (
                    "shipped_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "shipment",
                "verbose_name_plural": "shipments",
                "ordering": ["shipped_at", "id"],
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("quantity__gt", 0)), name="shipment_not_empty")
                ],
            },
        ),
        migrations.CreateModel(
            name="VirtualCode",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("position", models.PositiveIntegerField()),
                ("code", loyalty_portal.data.encrypted_field.EncryptedTextField(blank=True)),
                ("pin", loyalty_portal.data.encrypted_field.EncryptedTextField(blank=True)),
                ("url", loyalty_portal.data.encrypted_field.EncryptedTextField(blank=True)),
                ("expires_on", models.DateField(blank=True, null=True)),
                ("fingerprint", models.CharField(editable=False, max_length=120)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "withdrawn_at",
                    models.DateTimeField(
                        blank=True, help_text="When two people found that it was never this line's.", null=True
                    ),
                ),
                (
                    "fulfillment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="codes", to="fulfillment.fulfillment"
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(models.F("fulfillment"), models.F("position"), name="one_code_a_unit"),
                    models.UniqueConstraint(
                        models.F("fingerprint"),
                        condition=models.Q(("withdrawn_at__isnull", True)),
                        name="one_unit_a_code",
                    ),
                ],
            },
            bases=(loyalty_portal.data.encrypted_field.Fingerprinted, models.Model),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="codereveal",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="d1a97c34e790f30d4223a45a0208696ab863410b",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_fea57",
                    table="fulfillment_codereveal",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="codereveal",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="3f81e9a99c4c5682534f547079e9943f8c425ef5",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_bceca",
                    table="fulfillment_codereveal",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="codereveal",
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
                    hash="fc0f9787eb1553592ac6d4dc134652f2a0c28fc4",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_cfb6c",
                    table="fulfillment_codereveal",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="fulfillmentevent",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="9a6cbd7fa6a0c998e568d1ce672a8b155aaea45f",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_f9ad6",
                    table="fulfillment_fulfillmentevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="fulfillmentevent",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="f5d2e203a16f5e050133c5c03fe6cee57daf5d42",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_a9b2c",
                    table="fulfillment_fulfillmentevent",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="fulfillmentevent",
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
                    hash="88d4b0b7a8b0b578b4d916fac0410d631041e4a0",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_3731e",
                    table="fulfillment_fulfillmentevent",
                    when="BEFORE",
                ),
            ),
        ),
    ]
