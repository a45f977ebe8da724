"""Adds the debit that a credit names to statements and differences."""

from django.db import migrations, models

KINDS = [
    ("MISSING_THERE", "Missing at the partner"),
    ("MISSING_HERE", "Missing here"),
    ("AMOUNT", "Other points"),
    ("ACCOUNT", "Other account"),
    ("DUPLICATE", "Twice at the partner"),
    ("SWAPPED", "Number of another"),
    ("WRONG_DEBIT", "Booked on another debit"),
    ("OTHER", "Other kind, order or outcome"),
]


class Migration(migrations.Migration):
    dependencies = [("redemption", "0019_unreadable_codes")]

    operations = [
        migrations.RemoveConstraint(model_name="difference", name="difference_kind_known"),
        migrations.AlterField(
            model_name="difference",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=13, verbose_name="difference"),
        ),
        migrations.AddConstraint(
            model_name="difference",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", [kind for kind, _label in KINDS])),
                name="difference_kind_known",
            ),
        ),
        migrations.AddField(
            model_name="statementline",
            name="original",
            field=models.CharField(blank=True, db_default="", default="", max_length=100),
        ),
    ]
