"""What seats and companies keep of the catalogue, and the letter that something is in stock again."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0024_stand_in_names'),
    ]

    operations = [
        migrations.AlterField(
            model_name='personletter',
            name='kind',
            field=models.CharField(choices=[('invitation', 'Invitation'), ('rights', 'Who may do what'), ('rules', 'Rules of the company'), ('api_key', 'API key'), ('endpoint', 'Webhook endpoint'), ('access', 'How you sign in'), ('stand_in', 'Stand-in of an approver'), ('bulk', 'File of orders'), ('in_stock', 'In stock again')], max_length=20, verbose_name='letter'),
        ),
    ]
