from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0004_raised")]

    operations = [
        migrations.AddField(
            model_name="fulfillment",
            name="told_at",
            field=models.DateTimeField(
                blank=True, help_text="When the partner last answered how it stands.", null=True
            ),
        ),
    ]
