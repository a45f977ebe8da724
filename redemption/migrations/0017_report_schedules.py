"""Reports that are sent by e-mail."""

import django.db.models.deletion
import django.db.models.functions.datetime
import loyalty_portal.data.ids
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('redemption', '0016_questions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ReportSchedule',
            fields=[
                ('attempts', models.PositiveIntegerField(default=0)),
                ('raised', models.PositiveSmallIntegerField(db_default=0, default=0, editable=False, help_text='Consecutive tries that raised an exception.')),
                ('next_attempt_at', models.DateTimeField(blank=True, db_default=django.db.models.functions.datetime.Now(), null=True)),
                ('lease_until', models.DateTimeField(blank=True, editable=False, null=True)),
                ('lease_token', models.UUIDField(blank=True, editable=False, null=True)),
                ('id', models.UUIDField(default=loyalty_portal.data.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('report', models.CharField(max_length=40, verbose_name='report')),
                ('asked', models.JSONField(default=dict)),
                ('cadence', models.CharField(choices=[('DAILY', 'each day'), ('WEEKLY', 'each Monday'), ('MONTHLY', 'on the first of each month')], max_length=10, verbose_name='how often')),
                ('hour', models.PositiveSmallIntegerField(help_text="In the programme's time zone.", verbose_name='hour')),
                ('failures', models.PositiveSmallIntegerField(default=0, help_text='Tries that failed since it was sent last.')),
                ('problem', models.CharField(blank=True, max_length=255, verbose_name='problem')),
                ('sent_at', models.DateTimeField(null=True, verbose_name='sent')),
                ('stopped_at', models.DateTimeField(null=True, verbose_name='stopped')),
                ('told_at', models.DateTimeField(help_text='When its owner was told that it stopped.', null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='report_schedules', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'report by e-mail',
                'verbose_name_plural': 'reports by e-mail',
                'ordering': ['created_at', 'id'],
                'indexes': [models.Index(models.F('next_attempt_at'), condition=models.Q(('next_attempt_at__isnull', False)), name='report_schedule_due')],
                'constraints': [models.CheckConstraint(condition=models.Q(('hour__lt', 24)), name='report_schedule_hour'), models.UniqueConstraint(fields=('owner', 'report', 'asked', 'cadence', 'hour'), name='report_schedule_once')],
            },
        ),
    ]
