"""What a preview says about each row, so that all of it can be shown, page by page."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0012_searched_by_index'),
        ('jobs', '0002_which_request'),
    ]

    operations = [
        migrations.AddField(
            model_name='importrow',
            name='differences',
            field=models.JSONField(help_text='In words, of a product that changes.', null=True),
        ),
        migrations.AddField(
            model_name='importrow',
            name='foreseen',
            field=models.CharField(help_text='`new` or `changed`; empty of rows that change nothing.', max_length=7, null=True),
        ),
    ]
