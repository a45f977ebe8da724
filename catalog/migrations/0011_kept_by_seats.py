"""What seats and companies keep of the catalogue, and the letter that something is in stock again."""

import django.db.models.deletion
import django.db.models.functions.text
import loyalty_portal.data.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0025_kept_by_seats'),
        ('catalog', '0010_what_you_get'),
    ]

    operations = [
        migrations.CreateModel(
            name='ProductList',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=80, verbose_name='name')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('company', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='product_lists', to='accounts.company')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='accounts.accountmanager')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='ListedProduct',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('added_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='accounts.accountmanager')),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product')),
                ('on_list', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='catalog.productlist')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='StockWish',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('told_at', models.DateTimeField(blank=True, null=True)),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product')),
                ('seat', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.accountmanager')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='Favourite',
            fields=[
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('product', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product')),
                ('seat', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='favourites', to='accounts.accountmanager')),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(models.F('seat'), models.F('product'), name='favourite_once')],
            },
        ),
        migrations.AddConstraint(
            model_name='productlist',
            constraint=models.UniqueConstraint(models.F('company'), django.db.models.functions.text.Lower('name'), name='product_list_once_by_name'),
        ),
        migrations.AddConstraint(
            model_name='listedproduct',
            constraint=models.UniqueConstraint(models.F('on_list'), models.F('product'), name='list_entry_once'),
        ),
        migrations.AddIndex(
            model_name='stockwish',
            index=models.Index(condition=models.Q(('told_at', None)), fields=['product'], name='stock_wish_open'),
        ),
        migrations.AddConstraint(
            model_name='stockwish',
            constraint=models.UniqueConstraint(models.F('seat'), models.F('product'), condition=models.Q(('told_at', None)), name='stock_wish_once'),
        ),
    ]
