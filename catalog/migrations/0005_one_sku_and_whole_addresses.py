import hashlib
from typing import Any

from anyascii import anyascii
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper
from django.utils.text import slugify


def _tell_clashes(apps: Any, schema_editor: Any) -> None:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(sku, ', ' ORDER BY sku) FROM product GROUP BY upper(sku)"
            " HAVING count(*) > 1 LIMIT 5"
        )
        clashes = "; ".join(row[0] for row in cursor.fetchall())
    if clashes:
        raise ValueError(
            f"These SKUs differ by capitals only: {clashes}. Rename them in the admin portal first."
        )


def _old_code(name: str) -> str:
    return slugify(name)[:140] or hashlib.blake2b(name.encode(), digest_size=6).hexdigest()


def _name_anew(apps: Any, schema_editor: Any) -> None:
    """Rename codes that were made from a name and lost letters, so that an import finds them."""
    for model, field, longest in (("Category", "slug", 140), ("Family", "code", 120)):
        rows = apps.get_model("catalog", model).objects
        for row in rows.exclude(name__regex=r"^[\x20-\x7e]*$"):
            code = slugify(anyascii(row.name))[:longest]
            if getattr(row, field) == _old_code(row.name)[:longest] != code and code:
                if not rows.filter(**{field: code}).exists():
                    rows.filter(pk=row.pk).update(**{field: code})


class Migration(migrations.Migration):
    atomic = False  # indexes are created without blocking writes

    dependencies = [("catalog", "0004_variants_in_order_and_sources")]

    operations = [
        AddIndexConcurrently(
            model_name="product",
            index=models.Index(
                condition=models.Q(("source", ""), _negated=True),
                fields=["source"],
                name="product_by_source",
            ),
        ),
        migrations.RunPython(_tell_clashes, migrations.RunPython.noop, elidable=True),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS product_sku_once'
                    ' ON product (upper(sku))',
                    "DROP INDEX IF EXISTS product_sku_once",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="product",
                    constraint=models.UniqueConstraint(
                        Upper("sku"),
                        name="product_sku_once",
                        violation_error_message="There is a product with this SKU, capitals aside.",
                    ),
                )
            ],
        ),
        migrations.RunPython(_name_anew, migrations.RunPython.noop, elidable=True),
    ]
