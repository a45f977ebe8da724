from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ("redemption", "0002_lines_that_wait"),
    ]

    operations = [
        ValidateConstraint("orderitem", "item_wait_known"),
        ValidateConstraint("orderitem", "item_has_recipient"),
    ]
