"""Find parcels by order and person. The indexes are built beside writes."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("fulfillment", "0009_lines_of_parcels")]

    operations = [
        AddIndexConcurrently(
            model_name="fulfillment",
            index=models.Index(
                condition=models.Q(("channel", "DESK"), ("status__in", ["QUEUED", "PACKED"])),
                fields=["parcel_key", "promised_by", "id"],
                name="fulfillment_parcel",
            ),
        ),
        AddIndexConcurrently(
            model_name="shipment",
            index=models.Index(fields=["shipped_by", "shipped_at"], name="shipment_by_person"),
        ),
    ]
