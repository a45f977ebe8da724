from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0006_take_over")]

    operations = [
        migrations.AddField(
            model_name="fulfillment",
            name="hints",
            field=models.JSONField(
                blank=True,
                editable=False,
                help_text="What callbacks said and the partner, asked, has not answered yet.",
                null=True,
            ),
        ),
    ]
