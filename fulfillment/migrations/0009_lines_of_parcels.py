"""Give each parcel its line, and each fulfillment that is to be sent its parcel and its claim's end."""

from django.db import migrations

_LINES = """
    INSERT INTO fulfillment_shipmentline (id, shipment_id, fulfillment_id, quantity)
    SELECT gen_random_uuid(), s.id, s.fulfillment_id, s.quantity FROM fulfillment_shipment s
    WHERE s.fulfillment_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM fulfillment_shipmentline l WHERE l.shipment_id = s.id)
"""
# As loyalty_portal.data.recipient.parcel_key makes it.
_PARCELS = """
    UPDATE fulfillment_fulfillment SET
        parcel_key = encode(sha256(convert_to(concat_ws(chr(31), label, recipient_name,
            recipient_email, recipient_phone, address_line1, address_line2, city, region, postcode,
            country), 'UTF8')), 'hex'),
        claimed_until = CASE WHEN claimed_by_id IS NOT NULL THEN now() + interval '1 day' END
    WHERE channel = 'DESK' AND status IN ('QUEUED', 'PACKED')
"""


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0008_parcels_with_lines")]

    operations = [
        migrations.RunSQL(_LINES, migrations.RunSQL.noop),
        migrations.RunSQL(_PARCELS, migrations.RunSQL.noop),
    ]
