import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('inventory', '0005_stock_documents'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='stockmovement',
            index=models.Index(fields=['-created_at', '-id'], name='movement_newest'),
        ),
        AddIndexConcurrently(
            model_name='stockmovement',
            index=models.Index(condition=models.Q(('by__isnull', False)), fields=['by', '-created_at'], name='movement_by_person'),
        ),
        AddIndexConcurrently(
            model_name='stockmovement',
            index=models.Index(condition=models.Q(('kind__in', ['RECEIVED', 'ADJUSTED'])), fields=['kind', '-created_at'], name='movement_by_hand'),
        ),
        AddIndexConcurrently(
            model_name='stockmovement',
            index=models.Index(condition=models.Q(('document__isnull', False)), fields=['document'], name='movement_by_document'),
        ),
        AddIndexConcurrently(
            model_name='stockmovement',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('reason'), name='text_pattern_ops'), condition=models.Q(('reason', ''), _negated=True), name='movement_by_reason'),
        ),
        migrations.AlterField(
            model_name='stockmovement',
            name='by',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
    ]
