"""Units that came back, counted for reports. `manage.py rebuild_figures` counts former ones."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("redemption", "0019_units_of_a_line_checked")]

    operations = [
        migrations.AddField(
            model_name="linefigure",
            name="units_back",
            field=models.PositiveBigIntegerField(db_default=0, default=0),
        ),
    ]
