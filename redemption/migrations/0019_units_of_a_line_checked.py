from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

# The trigger returned_as_a_whole counts the units of what came back before units were counted.
COUNT_RETURNS = """
    UPDATE order_item SET quantity_returned = 0
    WHERE fulfillment_status = 'RETURNED' AND quantity_returned = 0
"""


class Migration(migrations.Migration):

    dependencies = [
        ("redemption", "0018_units_of_a_line"),
        ("fulfillment", "0012_units_returned_checked"),
    ]

    operations = [
        migrations.RunSQL(COUNT_RETURNS, migrations.RunSQL.noop),
        ValidateConstraint("orderitem", "item_returned_of_delivered"),
        ValidateConstraint("orderitem", "item_supplied_or_not"),
        ValidateConstraint("loyaltytransaction", "credit_is_for_units"),
    ]
