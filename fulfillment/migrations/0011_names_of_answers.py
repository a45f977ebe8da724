"""The answer to a call has one name for both partners; nothing changes in the database."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0010_history_stays")]

    operations = [
        migrations.AlterField(
            model_name="partnercall",
            name="answer_code",
            field=models.CharField(blank=True, max_length=100, verbose_name="answer"),
        ),
        migrations.AlterField(
            model_name="partnercall",
            name="answer_status",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="HTTP status"),
        ),
    ]
