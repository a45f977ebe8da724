"""The SQL of the invariants of units whose points go back, in the form of rules.py."""

UNITS = """
WITH lines AS MATERIALIZED (
    SELECT i.id, o.order_number, i.sku, i.points_per_item AS points_each,
        i.quantity_refunded AS refunded, i.quantity_credited AS credited,
        i.quantity_returned AS returned,
        coalesce(t.points, 0) AS points, coalesce(t.owed, 0) AS owed, t.odd,
        o.id IN (
            SELECT order_id FROM loyalty_transaction
            WHERE transaction_type = 'CREDIT' AND item_id IS NULL) AS has_other_credits,
        coalesce(d.decided, 0) AS decided, coalesce(r.recorded, 0) AS recorded
    FROM order_item i
    JOIN redemption_order o ON o.id = i.order_id
    LEFT JOIN (
        SELECT item_id,
            sum(points_amount) FILTER (WHERE transaction_type = 'CREDIT') AS points,
            sum(CASE transaction_type WHEN 'CREDIT' THEN points_amount ELSE -points_amount END)
                FILTER (WHERE transaction_type = 'CREDIT' OR status = 'SUCCEEDED') AS owed,
            bool_or(units IS NOT NULL AND points_amount <> units::bigint * item.points_per_item)
                AS odd
        FROM loyalty_transaction JOIN order_item item ON item.id = item_id GROUP BY item_id
    ) t ON t.item_id = i.id
    LEFT JOIN (
        SELECT item_id, sum(units) AS decided FROM redemption_decision
        WHERE verdict IN ('CREDIT_UNITS', 'RETURNED') AND status = 'CONFIRMED' GROUP BY item_id
    ) d ON d.item_id = i.id
    LEFT JOIN (
        SELECT item_id, sum(units) AS recorded FROM redemption_linereturn GROUP BY item_id
    ) r ON r.item_id = i.id
)
-- One credit may be for what was cancelled of several lines; their order's sum is looked at.
SELECT 'OWED', order_number, format('%%s: %%s points for %%s units', sku, owed, refunded)
FROM lines
WHERE odd OR NOT has_other_credits AND owed <> refunded::bigint * points_each
UNION ALL
-- A version before recorded returns of whole lines, and gave their points back undecided.
SELECT 'DECIDED', order_number, format('%%s: %%s credited, %%s decided, %%s of %%s returned noted',
                                       sku, credited, decided, recorded, returned)
FROM lines
WHERE recorded > returned OR credited > decided + returned - recorded
   OR points < decided::bigint * points_each
UNION ALL
SELECT 'DECIDED', o.order_number, format('%%s: return of %%s, %%s credited, decided %%s times',
                                         i.sku, r.units, r.credited, count(d.id))
FROM redemption_linereturn r
JOIN order_item i ON i.id = r.item_id
JOIN redemption_order o ON o.id = i.order_id
LEFT JOIN redemption_decision d ON d.returned_id = r.id AND d.status = 'CONFIRMED'
GROUP BY r.id, i.sku, o.order_number
HAVING count(d.id) <> CASE WHEN r.decided_at IS NULL THEN 0 ELSE 1 END
    OR max(d.units) IS DISTINCT FROM r.credited
    OR coalesce(bool_or(r.recorded_by_id IN (d.proposed_by_id, d.decided_by_id)), false)
UNION ALL
SELECT 'DECIDED', o.order_number, format('one person alone decided about %%s of %%s points',
    sum(d.units::bigint * i.points_per_item), max(d.alone_up_to))
FROM redemption_decision d
JOIN order_item i ON i.id = d.item_id
JOIN redemption_order o ON o.id = i.order_id
WHERE d.verdict IN ('CREDIT_UNITS', 'RETURNED') AND d.status = 'CONFIRMED'
    AND d.decided_by_id IS NULL AND d.units > 0
GROUP BY o.id
HAVING sum(d.units::bigint * i.points_per_item) > coalesce(max(d.alone_up_to), -1)
"""
