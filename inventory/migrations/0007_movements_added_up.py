"""The movements of each product, added up for the check of all stock."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0008_product_views'),
        ('inventory', '0006_movements_found_by_index'),
    ]

    operations = [
        migrations.CreateModel(
            name='MovementSum',
            fields=[
                ('product', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='catalog.product')),
                ('received', models.BigIntegerField()),
                ('adjusted', models.BigIntegerField()),
                ('consumed', models.BigIntegerField()),
                ('moved', models.BigIntegerField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='SummedUntil',
            fields=[
                ('id', models.BigIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('moment', models.DateTimeField()),
                ('read_all_at', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
    ]
