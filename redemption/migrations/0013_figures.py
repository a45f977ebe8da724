"""Tables of what reports add up (docs/staff/reports.md)."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_clearer_labels'),
        ('catalog', '0002_clearer_labels'),
        ('redemption', '0012_work_found_by_index'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='DeskFigure',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('hour', models.DateTimeField()),
                ('step', models.CharField(max_length=12)),
                ('lines', models.PositiveBigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='DurationFigure',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('hour', models.DateTimeField()),
                ('stage', models.CharField(choices=[('CONFIRM', 'To confirm'), ('SHIP', 'To ship'), ('DELIVER', 'To deliver')], max_length=10)),
                ('bucket', models.PositiveSmallIntegerField(help_text='The place of its bound in redemption.analytics.buckets.')),
                ('times', models.PositiveBigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='FiguresMark',
            fields=[
                ('id', models.BigIntegerField(default=1, editable=False, primary_key=True, serialize=False)),
                ('counted_until', models.DateTimeField(null=True)),
                ('ran_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='LineFigure',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('hour', models.DateTimeField()),
                ('status', models.CharField(choices=[('WAITING', 'Waiting'), ('QUEUED', 'Being prepared'), ('REQUESTED', 'Being delivered'), ('PACKED', 'Packed'), ('SHIPPED', 'Shipped'), ('DELIVERED', 'Delivered'), ('FAILED', 'Could not be supplied'), ('CANCELLED', 'Cancelled'), ('RETURNED', 'Returned')], max_length=50)),
                ('taken', models.BooleanField()),
                ('reason', models.CharField(blank=True, max_length=255)),
                ('lines', models.PositiveBigIntegerField()),
                ('units', models.PositiveBigIntegerField()),
                ('points', models.PositiveBigIntegerField()),
                ('points_back', models.PositiveBigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name='OrderFigure',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('hour', models.DateTimeField()),
                ('status', models.CharField(choices=[('AWAITING_APPROVAL', 'Waiting for approval'), ('PENDING', 'Taking points'), ('CONFIRMED', 'Confirmed'), ('IN_FULFILLMENT', 'In progress'), ('CANCELLING', 'Being cancelled'), ('COMPLETED', 'Completed'), ('CANCELLED', 'Cancelled'), ('DECLINED', 'Declined'), ('REJECTED', 'Not approved'), ('EXPIRED', 'Approval ran out')], max_length=50)),
                ('taken', models.BooleanField()),
                ('reason', models.CharField(blank=True, max_length=255)),
                ('orders', models.PositiveBigIntegerField()),
                ('points', models.PositiveBigIntegerField()),
            ],
            options={
                'permissions': [('view_reports', 'Can see and export reports')],
            },
        ),
        migrations.CreateModel(
            name='PointsFigure',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('hour', models.DateTimeField()),
                ('kind', models.CharField(max_length=20)),
                ('status', models.CharField(max_length=50)),
                ('reason', models.CharField(blank=True, max_length=255)),
                ('transactions', models.PositiveBigIntegerField()),
                ('points', models.PositiveBigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name='deskfigure',
            name='person',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='durationfigure',
            name='person',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='durationfigure',
            name='product',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product'),
        ),
        migrations.AddField(
            model_name='linefigure',
            name='company',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.company'),
        ),
        migrations.AddField(
            model_name='linefigure',
            name='product',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='catalog.product'),
        ),
        migrations.AddField(
            model_name='linefigure',
            name='seat',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.accountmanager'),
        ),
        migrations.AddField(
            model_name='orderfigure',
            name='company',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.company'),
        ),
        migrations.AddField(
            model_name='orderfigure',
            name='seat',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.accountmanager'),
        ),
        migrations.AddField(
            model_name='pointsfigure',
            name='company',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='accounts.company'),
        ),
        migrations.AddConstraint(
            model_name='deskfigure',
            constraint=models.UniqueConstraint(fields=('hour', 'person', 'step'), name='desk_figure_once'),
        ),
        migrations.AddIndex(
            model_name='durationfigure',
            index=models.Index(fields=['product', 'hour'], name='duration_figure_product'),
        ),
        migrations.AddIndex(
            model_name='durationfigure',
            index=models.Index(fields=['person', 'hour'], name='duration_figure_person'),
        ),
        migrations.AddConstraint(
            model_name='durationfigure',
            constraint=models.UniqueConstraint(fields=('hour', 'stage', 'product', 'person', 'bucket'), name='duration_figure_once', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='linefigure',
            index=models.Index(fields=['product', 'hour'], name='line_figure_product'),
        ),
        migrations.AddIndex(
            model_name='linefigure',
            index=models.Index(fields=['company', 'hour'], name='line_figure_company'),
        ),
        migrations.AddIndex(
            model_name='linefigure',
            index=models.Index(fields=['seat', 'hour'], name='line_figure_seat'),
        ),
        migrations.AddIndex(
            model_name='linefigure',
            index=models.Index(condition=models.Q(('status__in', ['WAITING', 'QUEUED', 'REQUESTED', 'PACKED', 'SHIPPED']), ('taken', True)), fields=['company'], name='line_figure_open'),
        ),
        migrations.AddConstraint(
            model_name='linefigure',
            constraint=models.UniqueConstraint(fields=('hour', 'seat', 'product', 'status', 'taken', 'reason'), name='line_figure_once'),
        ),
        migrations.AddIndex(
            model_name='orderfigure',
            index=models.Index(fields=['company', 'hour'], name='order_figure_company'),
        ),
        migrations.AddIndex(
            model_name='orderfigure',
            index=models.Index(fields=['seat', 'hour'], name='order_figure_seat'),
        ),
        migrations.AddConstraint(
            model_name='orderfigure',
            constraint=models.UniqueConstraint(fields=('hour', 'company', 'seat', 'status', 'taken', 'reason'), name='order_figure_once', nulls_distinct=False),
        ),
        migrations.AddIndex(
            model_name='pointsfigure',
            index=models.Index(fields=['company', 'hour'], name='points_figure_company'),
        ),
        migrations.AddConstraint(
            model_name='pointsfigure',
            constraint=models.UniqueConstraint(fields=('hour', 'company', 'kind', 'status', 'reason'), name='points_figure_once', nulls_distinct=False),
        ),
    ]
