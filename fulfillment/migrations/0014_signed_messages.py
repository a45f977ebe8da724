from django.db import migrations, models

# PostgreSQL writes down the new length and reads no row.
LONGER = """
-- squawk-ignore changing-column-type
ALTER TABLE fulfillment_fulfillment ALTER COLUMN message TYPE varchar(1000);
"""


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0013_which_request")]

    operations = [
        migrations.RunSQL(
            LONGER,
            migrations.RunSQL.noop,
            state_operations=[
                migrations.AlterField(
                    model_name="fulfillment",
                    name="message",
                    field=models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        max_length=1000,
                        verbose_name="message to the recipient",
                    ),
                ),
            ],
        ),
    ]
