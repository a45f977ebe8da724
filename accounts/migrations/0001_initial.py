"""The tables of companies, people and seats.

Made by makemigrations. What PostgreSQL does by itself, its triggers, comes last.
"""

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import loyalty_portal.data.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("pghistory", "0007_auto_20250421_0444"),
    ]

    operations = [
        migrations.CreateModel(
            name="Company",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                ("loyalty_account_id", models.CharField(max_length=100, unique=True, verbose_name="loyalty account")),
                (
                    "tier_level",
                    models.CharField(
                        choices=[
                            ("BRONZE", "Bronze"),
                            ("SILVER", "Silver"),
                            ("GOLD", "Gold"),
                            ("PLATINUM", "Platinum"),
                        ],
                        default="BRONZE",
                        max_length=50,
                        verbose_name="tier",
                    ),
                ),
                (
                    "approval_threshold",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Orders of more points than this wait for an approver. Empty: none do.",
                        null=True,
                        verbose_name="approval above",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name": "company",
                "verbose_name_plural": "companies",
                "db_table": "company",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("tier_level__in", ["BRONZE", "SILVER", "GOLD", "PLATINUM"])),
                        name="company_tier_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="CompanyChange",
            fields=[
                ("pgh_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                ("name", models.CharField(max_length=255, verbose_name="name")),
                ("loyalty_account_id", models.CharField(max_length=100, verbose_name="loyalty account")),
                (
                    "tier_level",
                    models.CharField(
                        choices=[
                            ("BRONZE", "Bronze"),
                            ("SILVER", "Silver"),
                            ("GOLD", "Gold"),
                            ("PLATINUM", "Platinum"),
                        ],
                        default="BRONZE",
                        max_length=50,
                        verbose_name="tier",
                    ),
                ),
                (
                    "approval_threshold",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Orders of more points than this wait for an approver. Empty: none do.",
                        null=True,
                        verbose_name="approval above",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
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
                        to="accounts.company",
                    ),
                ),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Address",
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
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="addresses", to="accounts.company"
                    ),
                ),
            ],
            options={
                "verbose_name": "address",
                "verbose_name_plural": "addresses",
                "ordering": ["recipient_name", "id"],
            },
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                (
                    "is_superuser",
                    models.BooleanField(
                        default=False,
                        help_text="Designates that this user has all permissions without explicitly assigning them.",
                        verbose_name="superuser status",
                    ),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("email", models.EmailField(max_length=255, unique=True, verbose_name="e-mail")),
                ("name", models.CharField(blank=True, max_length=255, verbose_name="name")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("is_staff", models.BooleanField(default=False, verbose_name="staff")),
                ("date_joined", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                (
                    "groups",
                    models.ManyToManyField(
                        blank=True,
                        help_text=(
                            "The groups this user belongs to. A user will get all permissions granted to each of their "
                            "groups."
                        ),
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.group",
                        verbose_name="groups",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        blank=True,
                        help_text="Specific permissions for this user.",
                        related_name="user_set",
                        related_query_name="user",
                        to="auth.permission",
                        verbose_name="user permissions",
                    ),
                ),
            ],
            options={
                "verbose_name": "user",
                "verbose_name_plural": "users",
                "constraints": [
                    models.UniqueConstraint(
                        django.db.models.functions.text.Lower("email"), name="user_email_any_case_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AccountManager",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("approver", "Approver"),
                            ("buyer", "Buyer"),
                            ("viewer", "Viewer"),
                        ],
                        default="buyer",
                        max_length=50,
                        verbose_name="role",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="seats", to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "company",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="seats", to="accounts.company"
                    ),
                ),
            ],
            options={
                "verbose_name": "account manager",
                "verbose_name_plural": "account managers",
                "db_table": "account_manager",
                "ordering": ["company__name", "user__email"],
                "constraints": [
                    models.UniqueConstraint(models.F("company"), models.F("user"), name="seat_once_per_company"),
                    models.CheckConstraint(
                        condition=models.Q(("role__in", ["owner", "approver", "buyer", "viewer"])),
                        name="seat_role_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AccountManagerChange",
            fields=[
                ("pgh_id", models.BigAutoField(primary_key=True, serialize=False)),
                ("pgh_created_at", models.DateTimeField(auto_now_add=True)),
                ("pgh_label", models.TextField(help_text="The event label.")),
                ("id", models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, serialize=False)),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("owner", "Owner"),
                            ("approver", "Approver"),
                            ("buyer", "Buyer"),
                            ("viewer", "Viewer"),
                        ],
                        default="buyer",
                        max_length=50,
                        verbose_name="role",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                ("created_at", models.DateTimeField(auto_now_add=True)),
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
                        to="accounts.accountmanager",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        related_query_name="+",
                        to=settings.AUTH_USER_MODEL,
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
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="KnownBalance",
            fields=[
                (
                    "company",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="known_balance",
                        serialize=False,
                        to="accounts.company",
                    ),
                ),
                ("points", models.PositiveBigIntegerField()),
                ("as_of", models.DateTimeField()),
                ("fetched_at", models.DateTimeField()),
                ("expiring", models.JSONField(blank=True, default=list)),
                ("failed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "verbose_name": "known balance",
                "verbose_name_plural": "known balances",
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="company",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "accounts_companychange" ("approval_threshold", "created_at", "id", "is_active", '
                        '"loyalty_account_id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", '
                        '"tier_level", "updated_at") VALUES (NEW."approval_threshold", NEW."created_at", NEW."id", '
                        'NEW."is_active", NEW."loyalty_account_id", NEW."name", _pgh_attach_context(), NOW(), '
                        '\'insert\', NEW."id", NEW."tier_level", NEW."updated_at"); RETURN NULL;'
                    ),
                    hash="a463518a0ea53f3d9c8a96f0e21d3e5093ef7c42",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_f9bb1",
                    table="company",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="company",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func=(
                        'INSERT INTO "accounts_companychange" ("approval_threshold", "created_at", "id", "is_active", '
                        '"loyalty_account_id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", '
                        '"tier_level", "updated_at") VALUES (NEW."approval_threshold", NEW."created_at", NEW."id", '
                        'NEW."is_active", NEW."loyalty_account_id", NEW."name", _pgh_attach_context(), NOW(), '
                        '\'update\', NEW."id", NEW."tier_level", NEW."updated_at"); RETURN NULL;'
                    ),
                    hash="bfdea91af4316dc1edc8f0386d1ac2cc9be5f2f3",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_c2173",
                    table="company",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="company",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "accounts_companychange" ("approval_threshold", "created_at", "id", "is_active", '
                        '"loyalty_account_id", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", '
                        '"tier_level", "updated_at") VALUES (OLD."approval_threshold", OLD."created_at", OLD."id", '
                        'OLD."is_active", OLD."loyalty_account_id", OLD."name", _pgh_attach_context(), NOW(), '
                        '\'delete\', OLD."id", OLD."tier_level", OLD."updated_at"); RETURN NULL;'
                    ),
                    hash="354980b23bd1142d06b15573a49e1c46b1781e3a",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_7a01f",
                    table="company",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="companychange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="b466fb0c1ee4b491288b3cad704dd7ff3094fd82",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_8bdc0",
                    table="accounts_companychange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="companychange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="ec98bebb2df3e6e08d7f1e00c81a04872bdc29b2",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_80f78",
                    table="accounts_companychange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="companychange",
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
                    hash="d36f11715a36d4900b657f1a2fa7b90c15dce314",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_cb6fc",
                    table="accounts_companychange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="accountmanager",
            trigger=pgtrigger.compiler.Trigger(
                name="insert_insert",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "accounts_accountmanagerchange" ("company_id", "created_at", "id", "is_active", '
                        '"pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "user_id") VALUES '
                        '(NEW."company_id", NEW."created_at", NEW."id", NEW."is_active", _pgh_attach_context(), NOW(), '
                        '\'insert\', NEW."id", NEW."role", NEW."user_id"); RETURN NULL;'
                    ),
                    hash="103450a7d32e5fd26c5f5ca77bc564ba03380dda",
                    operation="INSERT",
                    pgid="pgtrigger_insert_insert_3283e",
                    table="account_manager",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="accountmanager",
            trigger=pgtrigger.compiler.Trigger(
                name="update_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (OLD.* IS DISTINCT FROM NEW.*)",
                    func=(
                        'INSERT INTO "accounts_accountmanagerchange" ("company_id", "created_at", "id", "is_active", '
                        '"pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "user_id") VALUES '
                        '(NEW."company_id", NEW."created_at", NEW."id", NEW."is_active", _pgh_attach_context(), NOW(), '
                        '\'update\', NEW."id", NEW."role", NEW."user_id"); RETURN NULL;'
                    ),
                    hash="ed9a68b5032f37d3f39ff32d5deca1c79956b876",
                    operation="UPDATE",
                    pgid="pgtrigger_update_update_c6abb",
                    table="account_manager",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="accountmanager",
            trigger=pgtrigger.compiler.Trigger(
                name="delete_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func=(
                        'INSERT INTO "accounts_accountmanagerchange" ("company_id", "created_at", "id", "is_active", '
                        '"pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "role", "user_id") VALUES '
                        '(OLD."company_id", OLD."created_at", OLD."id", OLD."is_active", _pgh_attach_context(), NOW(), '
                        '\'delete\', OLD."id", OLD."role", OLD."user_id"); RETURN NULL;'
                    ),
                    hash="41e4a24a8875ac78563821a387ef35fe70a3bfc1",
                    operation="DELETE",
                    pgid="pgtrigger_delete_delete_88b49",
                    table="account_manager",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="accountmanagerchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay_as_they_are",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;",
                    hash="4ddc1bfe5d449a604e73c3fa567257548e8f6046",
                    operation="UPDATE",
                    pgid="pgtrigger_rows_stay_as_they_are_95048",
                    table="accounts_accountmanagerchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="accountmanagerchange",
            trigger=pgtrigger.compiler.Trigger(
                name="rows_stay",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'pgtrigger: Cannot delete rows from % table', TG_TABLE_NAME;",
                    hash="5aea68bb4fe8a572a62169dbf289e344c1e682cb",
                    operation="DELETE",
                    pgid="pgtrigger_rows_stay_e8ae7",
                    table="accounts_accountmanagerchange",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="accountmanagerchange",
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
                    hash="fba2bff1f051791580060f9f516123bda2d0a4b8",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_table_stays_226f2",
                    table="accounts_accountmanagerchange",
                    when="BEFORE",
                ),
            ),
        ),
    ]
