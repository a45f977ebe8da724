"""One number of the partner belongs to one line. The index is built while the table is written."""

from django.db import migrations, models

# Two false answers at the same moment could give two lines one number. Whose it is is unknown, so
# neither keeps it: both are then asked about by our reference.
_NOBODYS = """
    UPDATE fulfillment_fulfillment SET partner_id = '' WHERE partner_id IN (
        SELECT partner_id FROM fulfillment_fulfillment WHERE partner_id <> ''
        GROUP BY partner_id HAVING count(*) > 1)
"""
_DROP = "DROP INDEX CONCURRENTLY IF EXISTS partners_fulfillment_once"
_BUILD = """
    CREATE UNIQUE INDEX CONCURRENTLY partners_fulfillment_once
    ON fulfillment_fulfillment (partner_id) WHERE NOT (partner_id = '')
"""


class Migration(migrations.Migration):
    atomic = False  # PostgreSQL builds an index beside writes only outside a transaction

    dependencies = [("fulfillment", "0001_initial")]

    operations = [
        migrations.RunSQL(_NOBODYS, migrations.RunSQL.noop),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(_DROP, migrations.RunSQL.noop),  # of a try that failed
                migrations.RunSQL(_BUILD, _DROP),
            ],
            state_operations=[
                migrations.AddConstraint(
                    model_name="fulfillment",
                    constraint=models.UniqueConstraint(
                        "partner_id",
                        condition=~models.Q(partner_id=""),
                        name="partners_fulfillment_once",
                    ),
                ),
            ],
        ),
    ]
