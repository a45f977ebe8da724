from django.db import migrations


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.RunSQL(
            "ALTER TABLE redemption_order ADD COLUMN later_note varchar(10)",
            "ALTER TABLE redemption_order DROP COLUMN later_note",
        )
    ]
