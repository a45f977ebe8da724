"""The SQL of the invariants. Each query returns rows of (invariant, subject, figures).

Each rule set is one statement, so it sees one snapshot while orders move, and reads tables once.
"""

from redemption.invariants.stock_rules import MOVEMENTS, STOCK
from redemption.invariants.unit_rules import UNITS

# D: points debited, C: points credited, P: the order's total, owed: all credits, open ones too. K:
# points debited by corrections for goods that were delivered after all; not part of D.
POINTS = """
WITH sums AS MATERIALIZED (
    SELECT o.id, o.order_number, o.status, o.total_points AS p, o.needs_attention,
        coalesce(t.d, 0) AS d, coalesce(t.c, 0) AS c, coalesce(t.owed, 0) AS owed,
        coalesce(t.k, 0) AS k,
        coalesce(i.taken_back, false) AS taken_back,
        coalesce(t.debit, '') AS debit, t.asked, coalesce(t.open_credits, 0) AS open_credits,
        coalesce(t.reviewed, 0) AS reviewed, i.points, i.refunded, i.delivered, i.open_lines
    FROM redemption_order o
    LEFT JOIN (
        SELECT order_id,
            sum(points_amount) FILTER (WHERE transaction_type = 'DEBIT'
                                         AND status = 'SUCCEEDED') AS d,
            sum(points_amount) FILTER (WHERE transaction_type = 'CREDIT'
                                         AND status = 'SUCCEEDED') AS c,
            sum(points_amount) FILTER (WHERE transaction_type = 'CORRECTION'
                                         AND status = 'SUCCEEDED') AS k,
            sum(points_amount) FILTER (WHERE transaction_type = 'CREDIT'
                                         AND status <> 'REFUSED') AS owed,
            sum(points_amount) FILTER (WHERE transaction_type = 'CREDIT'
                                         AND status = 'NEEDS_REVIEW') AS reviewed,
            count(*) FILTER (WHERE transaction_type = 'CREDIT'
                               AND status <> 'SUCCEEDED') AS open_credits,
            max(status) FILTER (WHERE transaction_type = 'DEBIT') AS debit,
            max(points_amount) FILTER (WHERE transaction_type = 'DEBIT') AS asked
        FROM loyalty_transaction GROUP BY order_id
    ) t ON t.order_id = o.id
    LEFT JOIN (
        SELECT order_id,
            sum(quantity::bigint * points_per_item) AS points,
            sum(quantity_refunded::bigint * points_per_item) AS refunded,
            sum(quantity_delivered) AS delivered,
            bool_or(id IN (
                SELECT item_id FROM redemption_decision
                WHERE verdict = 'CREDIT' AND status = 'CONFIRMED')) AS taken_back,
            count(*) FILTER (WHERE NOT fulfillment_status = ANY(%(settled)s)) AS open_lines
        FROM order_item GROUP BY order_id
    ) i ON i.order_id = o.id
)
SELECT 'TOTAL', order_number, format('P=%%s lines=%%s debit=%%s', p, points, asked)
FROM sums WHERE points IS DISTINCT FROM p OR asked <> p
UNION ALL
SELECT 'WITHIN', order_number, format('C=%%s K=%%s D=%%s P=%%s', owed, k, d, p)
FROM sums WHERE NOT (k <= c AND c <= owed AND owed - k <= d AND d <= p)
UNION ALL
SELECT 'NOTHING_TAKEN', order_number, format('%%s D=%%s debit %%s', status, d, debit)
FROM sums
WHERE (status IN ('AWAITING_APPROVAL', 'REJECTED', 'EXPIRED') AND debit <> '')
   OR (status = 'DECLINED' AND debit <> 'REFUSED')
UNION ALL
SELECT 'TAKEN', order_number, format('%%s D=%%s P=%%s', status, d, p)
FROM sums WHERE status IN ('CONFIRMED', 'IN_FULFILLMENT', 'COMPLETED') AND d <> p
UNION ALL
SELECT 'DEBIT_OPEN', order_number, format('PENDING debit %%s', debit)
FROM sums WHERE status = 'PENDING' AND debit IN ('', 'SUCCEEDED', 'REFUSED')
UNION ALL
SELECT 'OWED', order_number,
    format('%%s credits=%%s corrections=%%s refunded lines=%%s', status, owed, k, refunded)
FROM sums WHERE d > 0 AND owed - k <> refunded
UNION ALL
SELECT 'GIVEN_BACK', order_number, format('CANCELLED D=%%s C=%%s K=%%s', d, c, k)
FROM sums WHERE status = 'CANCELLED' AND NOT (d <= c AND c <= d + k)
UNION ALL
SELECT 'CREDITED', order_number, format('%%s C=%%s owed=%%s K=%%s', status, c, refunded, k)
FROM sums
WHERE %(at_rest)s AND (status = 'COMPLETED' OR status = 'CANCELLED' AND k > 0)
  AND c - k + CASE WHEN needs_attention THEN reviewed ELSE 0 END <> refunded
UNION ALL
SELECT 'ENDED', order_number, format('%%s with %%s open lines', status, open_lines)
FROM sums
WHERE status IN ('COMPLETED', 'CANCELLED', 'DECLINED', 'REJECTED', 'EXPIRED') AND open_lines > 0
UNION ALL
SELECT 'ENDED', order_number, format('COMPLETED, nothing delivered')
FROM sums WHERE status = 'COMPLETED' AND delivered = 0 AND NOT taken_back
UNION ALL
SELECT 'STUCK', order_number, format('%%s, but every line is settled', status)
FROM sums
WHERE status IN ('CONFIRMED', 'IN_FULFILLMENT', 'CANCELLING') AND open_lines = 0
  AND (delivered > 0 OR (open_credits = 0 AND debit IN ('SUCCEEDED', 'REFUSED')))
"""

CREDITS = """
SELECT 'FOUNDED', credit.key, format('names %%s of %%s', taken.transaction_type, taken.status)
FROM loyalty_transaction credit
JOIN loyalty_transaction taken ON taken.id = credit.original_id
WHERE credit.transaction_type = 'CREDIT' AND NOT coalesce(
    (taken.transaction_type = 'DEBIT'
        OR taken.transaction_type = 'CORRECTION' AND taken.item_id = credit.item_id)
    AND taken.status = 'SUCCEEDED'
    AND taken.order_id = credit.order_id AND taken.company_id = credit.company_id, false)
UNION ALL
SELECT 'WITHIN', taken.key, format('gave back %%s of %%s', sums.back, taken.points_amount)
FROM (
    SELECT original_id, sum(points_amount) AS back
    FROM loyalty_transaction WHERE transaction_type = 'CREDIT' GROUP BY original_id
) sums JOIN loyalty_transaction taken ON taken.id = sums.original_id
WHERE sums.back > taken.points_amount
UNION ALL
SELECT 'FOUNDED', t.key, format('names a decision that is %%s of %%s', d.status, d.verdict)
FROM loyalty_transaction t LEFT JOIN redemption_decision d ON d.id = t.decision_id
WHERE t.transaction_type = 'CORRECTION' AND (d.verdict, d.status, d.item_id)
    IS DISTINCT FROM ('CORRECTION', 'CONFIRMED', t.item_id)
UNION ALL
SELECT 'WITHIN', o.order_number, format('K=%%s W=%%s of C=%%s of one line', sums.k, w.w, sums.c)
FROM (
    SELECT order_id, item_id,
        coalesce(sum(points_amount) FILTER (
            WHERE transaction_type = 'CORRECTION' AND status <> 'REFUSED'), 0) AS k,
        coalesce(sum(points_amount) FILTER (
            WHERE transaction_type = 'CREDIT' AND status = 'SUCCEEDED'), 0) AS c,
        coalesce(sum(points_amount) FILTER (WHERE transaction_type = 'CREDIT'), 0) AS owed
    FROM loyalty_transaction WHERE item_id IS NOT NULL GROUP BY order_id, item_id
) sums JOIN redemption_order o ON o.id = sums.order_id
JOIN order_item i ON i.id = sums.item_id
LEFT JOIN (
    SELECT item_id, sum(units) AS units FROM redemption_decision
    WHERE verdict = 'WRITE_OFF' AND status = 'CONFIRMED' GROUP BY item_id
) written_off ON written_off.item_id = i.id
-- W: it went back for the line too, and is not taken again.
CROSS JOIN LATERAL (SELECT coalesce(written_off.units, 0) * i.points_per_item AS w) w
WHERE sums.k > sums.c
   OR sums.k + w.w > sums.owed - i.quantity_credited::bigint * i.points_per_item
"""

# Lines corrected by two people: their stock is unchanged although their end has changed.
_PUT_RIGHT = """
    SELECT 1 FROM redemption_decision d WHERE d.item_id = {line} AND d.status = 'CONFIRMED'
        AND d.verdict IN ('CREDIT', 'CORRECTION')
"""

LINES = """
WITH lines AS MATERIALIZED (
    SELECT i.id, o.order_number, o.status AS order_status, i.fulfillment_status AS status, i.sku,
        i.waits_for, i.waits_until, w.next_attempt_at AS due_at, w.ended_at, w.raised,
        i.quantity, i.quantity_delivered AS delivered, i.quantity_returned AS returned,
        i.quantity_credited AS credited, i.quantity_refunded - i.quantity_credited AS lost,
        i.product_id, p.product_type, f.id AS fulfillment, f.channel, f.label, f.status AS there,
        f.quantity AS asked, f.quantity_shipped AS shipped, f.quantity_delivered AS arrived,
        f.quantity_failed AS failed, f.quantity_returned AS back
    FROM order_item i
    JOIN redemption_order o ON o.id = i.order_id
    JOIN product p ON p.id = i.product_id
    LEFT JOIN fulfillment_fulfillment f ON f.reference = i.id
    LEFT JOIN redemption_linewait w ON w.item_id = i.id
)
SELECT 'UNITS', order_number,
    format('%%s: %%s, %%s = %%s delivered, %%s not supplied; %%s came back, %%s credited', sku,
           status, quantity, delivered, lost, returned, credited)
FROM lines
WHERE (fulfillment IS NOT NULL OR waits_for <> '' AND order_status = ANY(%(at_work)s))
  AND CASE status
    WHEN 'DELIVERED' THEN delivered + lost <> quantity OR returned >= delivered
    WHEN 'RETURNED' THEN delivered = 0 OR delivered + lost <> quantity OR returned <> delivered
    WHEN 'FAILED' THEN delivered > 0 OR lost <> quantity
    WHEN 'CANCELLED' THEN delivered > 0 OR lost <> quantity
    ELSE delivered + lost >= quantity OR returned > delivered END
UNION ALL
SELECT 'ROUTED', order_number, format('%%s: %%s without a fulfillment', sku, status)
FROM lines
WHERE fulfillment IS NULL AND order_status = ANY(%(at_work)s)
  AND NOT (waits_for <> '' AND status IN ('WAITING', 'CANCELLED'))
UNION ALL
SELECT 'WAITED', order_number, format('%%s: %%s waits for %%s until %%s, due %%s, ended %%s', sku,
    status, waits_for, waits_until, due_at, ended_at)
FROM lines
WHERE CASE
    WHEN waits_for <> '' AND status = 'WAITING' AND order_status = ANY(%(at_work)s)
        -- A wait whose work raised is tried later, or was put aside.
        THEN raised IS NULL OR ended_at IS NOT NULL
            OR raised = 0 AND (due_at IS NULL OR due_at > waits_until)
    WHEN waits_for <> '' AND fulfillment IS NOT NULL
        THEN due_at IS NOT NULL OR ended_at IS NULL
            OR waits_for = 'DATE' AND ended_at < waits_until
    ELSE due_at IS NOT NULL END
UNION ALL
SELECT 'AGREED', order_number,
    format('%%s: line %%s %%s/%%s/%%s/%%s, fulfillment %%s %%s/%%s/%%s/%%s',
    sku, status, quantity, delivered, lost, returned, there, asked, arrived, failed, back)
FROM lines
WHERE fulfillment IS NOT NULL AND NOT (
    status = there AND quantity = asked AND delivered = arrived AND label = order_number
    AND lost = failed AND returned = back)
UNION ALL
SELECT 'HELD', order_number, format('%%s: %%s, held %%s, released %%s, consumed %%s', sku, status,
    r.quantity, r.released, r.consumed)
FROM lines LEFT JOIN inventory_reservation r ON r.reference = lines.id
WHERE (r.id IS NOT NULL OR product_type = 'PHYSICAL') AND (
    r.quantity IS DISTINCT FROM lines.quantity
    OR r.product_id IS DISTINCT FROM lines.product_id
    OR r.consumed <> coalesce(CASE channel WHEN 'DESK' THEN shipped ELSE arrived END, 0)
    OR r.released <> coalesce(failed, CASE status WHEN 'CANCELLED' THEN lines.quantity ELSE 0 END)
    OR (status = ANY(%(settled)s) AND r.quantity <> r.released + r.consumed))
  AND NOT EXISTS ({put_right})
""".replace("{put_right}", _PUT_RIGHT.replace("{line}", "lines.id"))

DELIVERIES = """
SELECT 'ROUTED', f.label, format('%%s: for no order line', f.sku)
FROM fulfillment_fulfillment f
WHERE NOT EXISTS (SELECT 1 FROM order_item i WHERE i.id = f.reference)
UNION ALL
SELECT 'CODES', f.label, format('%%s: %%s, %%s codes for %%s', f.sku, f.status, count(c.id),
                                f.quantity_delivered)
FROM fulfillment_fulfillment f
LEFT JOIN fulfillment_virtualcode c ON c.fulfillment_id = f.id AND c.withdrawn_at IS NULL
WHERE f.channel = 'PARTNER'
GROUP BY f.id
HAVING count(c.id) <> CASE WHEN f.status = 'DELIVERED' THEN f.quantity_delivered ELSE 0 END
    -- Two people found that the partner delivered it; its codes may still come.
   AND NOT (f.status = 'DELIVERED' AND count(c.id) = 0 AND EXISTS (
        SELECT 1 FROM redemption_decision d WHERE d.item_id = f.reference
            AND d.verdict = 'DELIVERED' AND d.status = 'CONFIRMED'
            AND d.missing = f.quantity_failed))
    -- They found that it was delivered after all; the partner is asked for its codes.
   AND NOT (f.status = 'DELIVERED' AND count(c.id) < f.quantity_delivered AND EXISTS (
        SELECT 1 FROM loyalty_transaction t WHERE t.item_id = f.reference
            AND t.transaction_type = 'CORRECTION' AND t.status = 'SUCCEEDED'))
UNION ALL
SELECT 'CODE_ONCE', min(f.label), format('a code stands in %%s places', count(*))
FROM fulfillment_virtualcode c JOIN fulfillment_fulfillment f ON f.id = c.fulfillment_id
WHERE c.withdrawn_at IS NULL
GROUP BY c.fingerprint HAVING count(*) > 1
UNION ALL
SELECT 'PARCELS', f.label, format('%%s: %%s shipped, %%s delivered; in parcels %%s, %%s', f.sku,
    f.quantity_shipped, f.quantity_delivered, coalesce(sum(l.quantity), 0),
    coalesce(sum(l.quantity) FILTER (WHERE s.delivered_at IS NOT NULL), 0))
FROM fulfillment_fulfillment f
LEFT JOIN fulfillment_shipmentline l ON l.fulfillment_id = f.id
LEFT JOIN fulfillment_shipment s ON s.id = l.shipment_id
WHERE f.channel = 'DESK'
GROUP BY f.id
HAVING f.quantity_shipped <> coalesce(sum(l.quantity), 0)
    OR f.quantity_delivered
        <> coalesce(sum(l.quantity) FILTER (WHERE s.delivered_at IS NOT NULL), 0)
UNION ALL
SELECT 'PARCELS', coalesce(min(f.label), s.id::text), format('a parcel of %%s orders',
    count(DISTINCT f.label))
FROM fulfillment_shipment s
LEFT JOIN fulfillment_shipmentline l ON l.shipment_id = s.id
LEFT JOIN fulfillment_fulfillment f ON f.id = l.fulfillment_id
GROUP BY s.id
HAVING count(DISTINCT f.label) <> 1
"""

STORY = """
WITH steps AS MATERIALIZED (
    SELECT subject, coalesce(transaction_id, item_id, order_id) AS thing, order_id, item_id,
        from_status, to_status, lag(to_status, 1, '') OVER story AS before,
        lead(id) OVER story IS NULL AS is_last
    FROM redemption_orderevent WHERE subject NOT IN ('NOTE', 'TOLD')
    WINDOW story AS (PARTITION BY coalesce(transaction_id, item_id, order_id) ORDER BY at, id)
), things AS MATERIALIZED (
    SELECT 'ORDER' AS subject, id, id AS order_id, status FROM redemption_order
    UNION ALL SELECT 'LINE', id, order_id, fulfillment_status FROM order_item
    UNION ALL SELECT 'TRANSACTION', id, order_id, status FROM loyalty_transaction
), allowed AS (
    SELECT * FROM unnest(%(subjects)s::text[], %(befores)s::text[], %(afters)s::text[])
        AS step (subject, before, after)
), found AS (
    SELECT 'REPLAYED' AS invariant, order_id,
        format('%%s: %%s, then %%s → %%s', subject, before, from_status, to_status) AS figures
    FROM steps WHERE from_status <> before
    UNION ALL
    SELECT 'REPLAYED', things.order_id,
        format('%%s: is %%s, the last event says %%s', things.subject, things.status, to_status)
    FROM things LEFT JOIN steps ON steps.thing = things.id AND steps.is_last
    WHERE steps.to_status IS DISTINCT FROM things.status
    UNION ALL
    SELECT CASE WHEN from_status = '' OR EXISTS (
            SELECT 1 FROM allowed WHERE allowed.subject = steps.subject
                                    AND allowed.before = steps.from_status)
            THEN 'STEPPED' ELSE 'FINAL' END,
        order_id, format('%%s: %%s → %%s', subject, from_status, to_status)
    FROM steps
    WHERE NOT EXISTS (
        SELECT 1 FROM allowed WHERE allowed.subject = steps.subject
            AND allowed.before = from_status AND allowed.after = to_status)
    UNION ALL
    SELECT 'FINAL', order_id, format('LINE: %%s → %%s undecided', from_status, to_status)
    FROM steps
    WHERE subject = 'LINE' AND ((from_status IN ('FAILED', 'CANCELLED') AND to_status = 'DELIVERED')
        OR (from_status = 'DELIVERED' AND to_status = 'FAILED'))
      AND NOT EXISTS ({put_right})
)
SELECT invariant, o.order_number, figures
FROM found JOIN redemption_order o ON o.id = found.order_id
""".replace("{put_right}", _PUT_RIGHT.replace("{line}", "steps.item_id"))

WORK = """
WITH work AS (
    SELECT t.key AS subject, t.status, t.next_attempt_at,
        CASE WHEN t.raised >= %(most_raised)s THEN 'put aside' ELSE '' END AS mark,
        t.status IN ('INTENDED', 'SENT', 'UNKNOWN', 'NEEDS_REVIEW')
            OR (t.doubt <> '' AND t.next_attempt_at IS NOT NULL) AS is_open
    FROM loyalty_transaction t
    WHERE t.status IN ('INTENDED', 'SENT', 'UNKNOWN') OR t.next_attempt_at IS NOT NULL
    UNION ALL
    SELECT c.key, c.status, c.next_attempt_at,
        CASE WHEN c.raised >= %(most_raised)s THEN 'put aside' ELSE '' END,
        c.status IN ('INTENDED', 'SENT', 'UNKNOWN')
    FROM fulfillment_partnercall c
    WHERE c.status IN ('INTENDED', 'SENT', 'UNKNOWN') OR c.next_attempt_at IS NOT NULL
    UNION ALL
    SELECT 'poll:' || f.id, f.status, f.next_attempt_at,
        CASE WHEN f.raised >= %(most_raised)s THEN 'put aside' ELSE f.attention END,
        f.status = 'REQUESTED' OR f.hints IS NOT NULL
    FROM fulfillment_fulfillment f
    WHERE (f.status = 'REQUESTED' AND NOT EXISTS (
            SELECT 1 FROM fulfillment_partnercall c
            WHERE c.fulfillment_id = f.id AND c.kind = 'REQUEST'
              AND c.status IN ('INTENDED', 'SENT', 'UNKNOWN')))
       OR f.hints IS NOT NULL OR (f.status <> 'REQUESTED' AND f.next_attempt_at IS NOT NULL)
    UNION ALL
    SELECT l.key, 'unsent', l.next_attempt_at,
        CASE WHEN l.raised >= %(most_raised)s THEN 'put aside' ELSE l.problem END, true
    FROM redemption_letter l WHERE l.sent_at IS NULL
    UNION ALL
    SELECT b.webhook_id, b.state, b.next_attempt_at,
        CASE WHEN b.raised >= %(most_raised)s THEN 'put aside' ELSE '' END,
        b.state IN ('RECEIVED', 'PARKED')
    FROM redemption_callback b
    WHERE b.state IN ('RECEIVED', 'PARKED') OR b.next_attempt_at IS NOT NULL
)
SELECT 'DUE', subject, format('%%s, but nothing will try it', status)
FROM work WHERE is_open AND next_attempt_at IS NULL AND mark = ''
UNION ALL
SELECT 'DUE', subject, format('%%s, and still due', status)
FROM work WHERE NOT is_open
"""

MARKED = """
WITH marked AS (
    SELECT o.id, o.order_number, o.status, o.created_at, o.approve_by,
        o.needs_attention OR EXISTS (
            SELECT 1 FROM redemption_orderevent e WHERE e.order_id = o.id AND e.subject = 'NOTE'
                AND e.by_id IS NULL
        ) AS is_marked
    FROM redemption_order o
    WHERE o.status IN ('AWAITING_APPROVAL', 'PENDING', 'CANCELLING', 'CONFIRMED', 'IN_FULFILLMENT')
       OR EXISTS (SELECT 1 FROM loyalty_transaction t
                  WHERE t.order_id = o.id AND t.status = 'NEEDS_REVIEW')
)
SELECT 'MARKED', order_number, format('%%s since %%s', status, reached.at)
FROM marked
JOIN unnest(%(statuses)s::text[], %(sinces)s::text[], %(ages)s::interval[])
    AS deadline (status, since, age) USING (status)
CROSS JOIN LATERAL (
    SELECT coalesce(max(e.at), marked.created_at) AS at FROM redemption_orderevent e
    WHERE e.order_id = marked.id AND e.subject = 'ORDER' AND e.to_status = deadline.since
) AS reached
WHERE NOT is_marked AND created_at < now() - age - %(grace)s::interval
  AND reached.at < now() - age - %(grace)s::interval
  -- For a line that waited the time counts from the end of its wait.
  AND CASE
    WHEN NOT status = ANY(%(from_waits)s) THEN true
    WHEN EXISTS (SELECT 1 FROM order_item i WHERE i.order_id = marked.id
                    AND NOT i.fulfillment_status = ANY(%(settled)s))
        THEN EXISTS (SELECT 1 FROM order_item i WHERE i.order_id = marked.id
                        AND NOT i.fulfillment_status = ANY(%(settled)s)
                        AND coalesce(i.waits_until, '-infinity')
                            < now() - age - %(grace)s::interval)
    ELSE NOT EXISTS (SELECT 1 FROM order_item i WHERE i.order_id = marked.id
                        AND i.waits_until >= now() - age - %(grace)s::interval) END
UNION ALL
SELECT 'MARKED', o.order_number, format('%%s was due at %%s', i.sku, w.next_attempt_at)
FROM redemption_linewait w JOIN order_item i ON i.id = w.item_id
JOIN redemption_order o ON o.id = i.order_id
WHERE w.next_attempt_at < now() - %(grace)s::interval
UNION ALL
SELECT 'MARKED', order_number, format('waits for approval since before %%s', approve_by)
FROM marked
WHERE status = 'AWAITING_APPROVAL' AND approve_by < now() - %(grace)s::interval
UNION ALL
SELECT 'MARKED', order_number, format('%%s %%s needs review', lower(t.transaction_type), t.key)
FROM marked JOIN loyalty_transaction t ON t.order_id = marked.id
WHERE t.status = 'NEEDS_REVIEW' AND NOT is_marked
"""

RULES = (POINTS, CREDITS, LINES, UNITS, DELIVERIES, STOCK, MOVEMENTS, STORY, WORK, MARKED)
