"""The index of the list of incidents: those that need somebody first."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # built beside the work that goes on

    dependencies = [
        ('redemption', '0034_searched_by_index'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='incident',
            index=models.Index(models.OrderBy(models.Case(models.When(status='RESOLVED', then=models.Value(1)), default=models.Value(0))), models.OrderBy(models.F('severity'), descending=True), models.OrderBy(models.F('created_at'), descending=True), models.OrderBy(models.F('id'), descending=True), name='incident_list'),
        ),
    ]
