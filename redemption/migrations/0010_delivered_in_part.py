from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("redemption", "0009_order_in_progress")]

    operations = [
        migrations.AddField(
            model_name="decision",
            name="missing",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                help_text="Units that did not come, of a delivery that came in part.",
                verbose_name="missing",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=Q(missing=0) | Q(verdict="DELIVERED"),
                name="missing_of_what_was_delivered",
            ),
        ),
    ]
