from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0007_hints")]

    operations = [
        migrations.AddField(
            model_name="virtualcode",
            name="withdrawn_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When two people found that it was never this line's.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="virtualcode",
            name="fingerprint",
            field=models.CharField(editable=False, max_length=120),
        ),
        migrations.AddConstraint(
            model_name="virtualcode",
            constraint=models.UniqueConstraint(
                "fingerprint", condition=Q(withdrawn_at__isnull=True), name="one_unit_a_code"
            ),
        ),
    ]
