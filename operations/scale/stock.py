"""Gives the copied products the stock that their copied orders have moved."""

from datetime import datetime

from django.db import connection

# What was moved for orders, of products that nothing was received for: the copies.
_RECEIVED = """
INSERT INTO inventory_stockmovement
    (id, product_id, kind, available_change, reserved_change, reason, created_at)
SELECT gen_random_uuid(), s.product_id, 'RECEIVED',
    greatest(0, -coalesce(m.available, 0)) + (hashtext(s.product_id::text) & 255), 0,
    'First delivery', %s
FROM inventory s
LEFT JOIN (
    SELECT product_id, sum(available_change) AS available,
        bool_or(kind = 'RECEIVED' AND reference IS NULL) AS received
    FROM inventory_stockmovement GROUP BY product_id
) m ON m.product_id = s.product_id
WHERE s.is_tracked AND m.received IS NOT TRUE
"""
_COUNTED = """
UPDATE inventory s SET quantity_available = m.available, quantity_reserved = m.reserved
FROM (
    SELECT product_id, sum(available_change) AS available, sum(reserved_change) AS reserved
    FROM inventory_stockmovement GROUP BY product_id
) m
WHERE m.product_id = s.product_id
    AND (s.quantity_available, s.quantity_reserved) <> (m.available, m.reserved)
"""
_SHOWN = """
UPDATE product p SET stock_status = CASE WHEN NOT s.is_tracked THEN 'IN_STOCK'
    WHEN s.quantity_available <= 0 THEN 'OUT'
    WHEN s.quantity_available <= s.low_stock_at THEN 'LOW' ELSE 'IN_STOCK' END
FROM inventory s WHERE s.product_id = p.id
"""


def fill_stock(*, since: datetime) -> None:
    """Receive at least what orders have taken, and set the numbers and what is shown of them."""
    with connection.cursor() as cursor:
        cursor.execute(_RECEIVED, [since])
        cursor.execute(_COUNTED)
        cursor.execute(_SHOWN)
