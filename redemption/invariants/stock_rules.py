"""The SQL of the invariants of the stock, in the form of rules.py."""

_EVERY = "s.id IS NOT NULL OR m.product_id IS NOT NULL OR r.product_id IS NOT NULL"

STOCK = """
WITH books AS MATERIALIZED (
    SELECT p.sku, p.stock_status, p.product_type, s.low_stock_at, s.is_tracked,
        coalesce(s.quantity_available, 0) AS available,
        coalesce(s.quantity_reserved, 0) AS reserved,
        coalesce(m.received, 0) AS received, coalesce(m.consumed, 0) AS consumed,
        coalesce(m.adjusted, 0) AS adjusted, coalesce(m.moved, 0) AS moved,
        coalesce(r.held, 0) AS held
    FROM product p
    LEFT JOIN inventory s ON s.product_id = p.id
    LEFT JOIN (
        SELECT product_id,
            sum(available_change) FILTER (WHERE kind = 'RECEIVED') AS received,
            sum(available_change) FILTER (WHERE kind = 'ADJUSTED') AS adjusted,
            -sum(reserved_change) FILTER (WHERE kind = 'CONSUMED') AS consumed,
            sum(available_change) AS moved
        FROM inventory_stockmovement GROUP BY product_id
    ) m ON m.product_id = p.id
    LEFT JOIN (
        SELECT product_id, sum(quantity - released - consumed) AS held
        FROM inventory_reservation WHERE quantity > released + consumed GROUP BY product_id
    ) r ON r.product_id = p.id
    WHERE s.id IS NOT NULL OR m.product_id IS NOT NULL OR r.product_id IS NOT NULL
)
SELECT 'MOVED', sku,
    format('available %%s + reserved %%s, received %%s - consumed %%s + adjusted %%s',
           available, reserved, received, consumed, adjusted)
FROM books WHERE available + reserved <> received - consumed + adjusted OR available <> moved
UNION ALL
SELECT 'RESERVED', sku, format('reserved %%s, held by lines %%s', reserved, held)
FROM books WHERE reserved <> held
UNION ALL
SELECT 'NOT_NEGATIVE', sku, format('available %%s, reserved %%s', available, reserved)
FROM books WHERE available < 0 OR reserved < 0
UNION ALL
SELECT 'UNCOUNTED', sku, format('available %%s of a stock that is not counted', available)
FROM books WHERE NOT is_tracked AND available <> 0
UNION ALL
SELECT 'SHOWN', sku, format('%%s with %%s available, low at %%s', stock_status, available,
                            low_stock_at)
FROM books
WHERE low_stock_at IS NOT NULL AND stock_status <> CASE
    WHEN NOT is_tracked THEN 'IN_STOCK'
    WHEN available <= 0 THEN 'OUT' WHEN available <= low_stock_at THEN 'LOW' ELSE 'IN_STOCK' END
"""

# The same for one product, %(product)s, read by its indexes.
STOCK_OF_ONE = STOCK.replace(_EVERY, "p.id = %(product)s")

_MOVED = STOCK[STOCK.index("        SELECT product_id,\n") : STOCK.index("    ) m ON")]
# The same from the sums of inventory/sums.py, and the movements since %(since)s.
STOCK_SUMMED = STOCK.replace(
    _MOVED,
    """
        SELECT product_id, sum(received) AS received, sum(adjusted) AS adjusted,
            sum(consumed) AS consumed, sum(moved) AS moved
        FROM (
            SELECT product_id, received, adjusted, consumed, moved FROM inventory_movementsum
            UNION ALL
            SELECT product_id,
                sum(available_change) FILTER (WHERE kind = 'RECEIVED'),
                sum(available_change) FILTER (WHERE kind = 'ADJUSTED'),
                -sum(reserved_change) FILTER (WHERE kind = 'CONSUMED'),
                sum(available_change)
            FROM inventory_stockmovement WHERE created_at >= %(since)s GROUP BY product_id
        ) parts GROUP BY product_id
""",
)

# A reservation must agree with its movements, or stock has left twice.
MOVEMENTS = """
SELECT 'MOVED', coalesce(p.sku, r.reference::text),
    format('line %%s: held %%s, released %%s, consumed %%s; movements %%s, %%s, %%s; %%s came back',
           r.reference, r.quantity, r.released, r.consumed, m.reserved, m.released, m.consumed,
           m.received)
FROM inventory_reservation r
JOIN product p ON p.id = r.product_id
LEFT JOIN (
    SELECT reference,
        coalesce(sum(reserved_change) FILTER (WHERE kind = 'RESERVED'), 0) AS reserved,
        coalesce(sum(available_change) FILTER (WHERE kind = 'RELEASED'), 0) AS released,
        coalesce(-sum(reserved_change) FILTER (WHERE kind = 'CONSUMED'), 0) AS consumed,
        coalesce(sum(available_change) FILTER (WHERE kind = 'RECEIVED'), 0) AS received,
        coalesce(-sum(available_change) FILTER (WHERE kind = 'ADJUSTED'), 0) AS gone
    FROM inventory_stockmovement WHERE reference IS NOT NULL GROUP BY reference
) m ON m.reference = r.reference
LEFT JOIN fulfillment_fulfillment f ON f.reference = r.reference
WHERE (r.quantity, r.released, r.consumed)
    IS DISTINCT FROM (m.reserved::int, m.released::int, m.consumed::int)
    -- What could not be supplied is written off when it is released; what came back is received.
    OR m.gone > r.released
    OR m.received <> coalesce(f.quantity_returned - f.quantity_written_off, 0)
"""
