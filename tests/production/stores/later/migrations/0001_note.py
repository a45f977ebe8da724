from django.db import migrations


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.RunSQL(
            "ALTER TABLE redemption_order ADD COLUMN later_note varchar(10)",
            "ALTER TABLE redemption_order DROP COLUMN later_note",
        ),
        migrations.RunSQL(
            "CREATE TABLE later_idle AS"
            " SELECT current_setting('idle_in_transaction_session_timeout') AS allowed",
            "DROP TABLE later_idle",
        ),
    ]
