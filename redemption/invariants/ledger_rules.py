"""The SQL that compares the partner's ledger with our orders, in the form of rules.py."""

# The sums of the partner's entries by order. Corrections (K) do not count as the order's debit.
LEDGER_SUMS = """
SELECT 'WITHIN', o.order_number, format('at the partner: C=%%s K=%%s D=%%s P=%%s', sums.c, sums.k,
                                        sums.d, o.total_points)
FROM (
    SELECT reference, coalesce(sum(points) FILTER (WHERE kind = 'debit' AND t.id IS NULL), 0) AS d,
        coalesce(sum(points) FILTER (WHERE kind = 'debit' AND t.id IS NOT NULL), 0) AS k,
        coalesce(sum(points) FILTER (WHERE kind = 'credit'), 0) AS c
    FROM unnest(%(ids)s::text[], %(kinds)s::text[], %(points)s::bigint[], %(references)s::text[])
        AS entry (id, kind, points, reference)
    LEFT JOIN loyalty_transaction t ON t.external_transaction_id = entry.id
        AND t.external_transaction_id <> '' AND t.transaction_type = 'CORRECTION'
    GROUP BY reference
) sums JOIN redemption_order o ON o.order_number = sums.reference
WHERE sums.d > o.total_points + (
        -- One that has no answer yet may be there already.
        SELECT coalesce(sum(points_amount), 0) FROM loyalty_transaction k
        WHERE k.order_id = o.id AND k.transaction_type = 'CORRECTION'
          AND k.status IN ('SENT', 'UNKNOWN', 'NEEDS_REVIEW'))
   OR (sums.c > sums.d + sums.k AND (%(since)s::timestamptz IS NULL OR o.created_at >= %(since)s))
"""
