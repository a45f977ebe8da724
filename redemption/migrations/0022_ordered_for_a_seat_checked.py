from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("redemption", "0021_ordered_for_a_seat"),
    ]

    operations = [
        ValidateConstraint("redemptionorder", "order_approved_by_another"),
    ]
