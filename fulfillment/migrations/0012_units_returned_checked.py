from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

# The trigger returned_as_a_whole counts the units of what came back before units were counted.
COUNT_RETURNS = """
    UPDATE fulfillment_fulfillment SET quantity_returned = 0
    WHERE status = 'RETURNED' AND quantity_returned = 0
"""


class Migration(migrations.Migration):

    dependencies = [
        ("fulfillment", "0011_units_returned"),
    ]

    operations = [
        migrations.RunSQL(COUNT_RETURNS, migrations.RunSQL.noop),
        ValidateConstraint("fulfillment", "fulfillment_returned_of_delivered"),
    ]
