"""What people look at, a row for each seat, product and day."""

import django.db.models.deletion
import loyalty_portal.data.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0005_search'),
        ('catalog', '0007_saved_views'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProductView',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product')),
                ('seat', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.accountmanager')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('day', 'product', 'seat'), name='product_view_once')],
            },
        ),
    ]
