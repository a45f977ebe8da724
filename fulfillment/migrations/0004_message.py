from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('fulfillment', '0003_clearer_labels'),
    ]

    operations = [
        migrations.AddField(
            model_name='fulfillment',
            name='message',
            field=models.CharField(blank=True, db_default='', default='', max_length=500, verbose_name='message to the recipient'),
        ),
    ]
