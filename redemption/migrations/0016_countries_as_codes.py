from typing import Any

from django.db import migrations

from loyalty_portal.data.countries import (code_in_any_language)


def _to_codes(apps: Any, schema_editor: Any) -> None:
    """Convert typed country names to codes. Unknown names stay as they are."""
    rows = apps.get_model("redemption", "OrderItem").objects
    for text in rows.exclude(country="").order_by().values_list("country", flat=True).distinct():
        if (code := code_in_any_language(text)) and code != text:
            rows.filter(country=text).update(country=code)


class Migration(migrations.Migration):
    dependencies = [("redemption", "0015_disputed_numbers")]

    operations = [migrations.RunPython(_to_codes, migrations.RunPython.noop, elidable=True)]
