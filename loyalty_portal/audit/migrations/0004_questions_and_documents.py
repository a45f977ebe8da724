"""Numbers the rows of two more tables of history, for the chain over them."""

from importlib import import_module

from django.db import migrations

numbered = import_module("loyalty_portal.audit.migrations.0002_rows_in_order").numbered


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0003_changes_by_time"),
        ("inventory", "0005_stock_documents"),
        ("redemption", "0016_questions"),
    ]

    operations = [numbered("inventory_stockdocument"), numbered("redemption_ordermessage")]
