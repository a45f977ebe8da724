"""Matches our transactions with the partner's entries, and finds the differences.

Both the invariants and the reconciliation use this query: the first with all entries in memory, the
second with a statement that was loaded into the database.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from redemption.states import DifferenceKind

SAME = "SAME"
UNANSWERED = "UNANSWERED"  # an entry for a transaction of ours that has no answer yet

# A source of entries, as SQL with the columns (place, id, kind, account, points, reference,
# original, at). `original` is the debit that a credit names, "" where the statement does not have
# it.
GIVEN = """
    SELECT place, id, kind, account, points, reference, original, at
    FROM unnest(%(ids)s::text[], %(kinds)s::text[], %(accounts)s::text[], %(points)s::bigint[],
                %(references)s::text[], %(originals)s::text[], %(moments)s::timestamptz[])
        WITH ORDINALITY AS told (id, kind, account, points, reference, original, at, place)
"""

# `mine` are the transactions that may match an entry, and those that must have one. An entry
# matches the transaction with its id. A transaction without an answer has no id yet, so it is
# matched by kind, account, points and reference; an exact match is taken before a near one.
_COMPARE = """
WITH entries AS MATERIALIZED (
    SELECT *, row_number() OVER (PARTITION BY id ORDER BY place) AS listed
    FROM ({source}) AS told
), chosen AS (
    SELECT t.id, false AS expected FROM entries e
    JOIN loyalty_transaction t
        ON t.external_transaction_id = e.id AND t.external_transaction_id <> ''
    UNION ALL
    SELECT t.id, false FROM (SELECT DISTINCT reference FROM entries) e
    JOIN redemption_order o ON o.order_number = e.reference
    JOIN loyalty_transaction t ON t.order_id = o.id
    UNION ALL
    SELECT t.id, true FROM loyalty_transaction t
    WHERE t.status = 'SUCCEEDED'
      AND (%(companies)s::uuid[] IS NULL OR t.company_id = ANY(%(companies)s::uuid[]))
      AND (%(began)s::timestamptz IS NULL OR t.created_at >= %(began)s)
      AND (%(since)s::timestamptz IS NULL OR t.settled_at >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR t.settled_at < %(until)s)
), mine AS MATERIALIZED (
    SELECT t.id, t.key, t.status, t.external_transaction_id AS theirs, t.settled_at, t.order_id,
        CASE t.transaction_type WHEN 'CREDIT' THEN 'credit' ELSE 'debit' END AS kind,
        t.points_amount::bigint AS points,
        c.loyalty_account_id::text AS account, o.order_number::text AS reference, expected,
        coalesce(d.external_transaction_id, '') AS debit
    FROM (SELECT id, bool_or(expected) AS expected FROM chosen GROUP BY id) AS found
    JOIN loyalty_transaction t USING (id)
    LEFT JOIN loyalty_transaction d ON d.id = t.original_id
    JOIN redemption_order o ON o.id = t.order_id
    JOIN company c ON c.id = t.company_id
), named AS MATERIALIZED (
    SELECT e.place, m.id AS ours, CASE
        WHEN e.account <> m.account THEN 'ACCOUNT'
        WHEN e.points <> m.points THEN 'AMOUNT'
        WHEN (e.kind, e.reference) <> (m.kind, m.reference) OR m.status <> 'SUCCEEDED' THEN 'OTHER'
        WHEN e.original <> m.debit AND e.original <> '' AND m.debit <> '' THEN 'WRONG_DEBIT'
        ELSE 'SAME' END AS verdict
    FROM entries e JOIN mine m ON m.theirs = e.id AND m.theirs <> ''
    WHERE e.listed = 1
), swapped AS MATERIALIZED (
    -- The entry is a transaction of ours in all but its number, which another has, or which has
    -- another's.
    SELECT e.place, m.id AS ours, 'SWAPPED' AS verdict
    FROM (
        SELECT *, row_number() OVER (
            PARTITION BY kind, account, points, reference ORDER BY place) AS turn
        FROM entries e WHERE e.listed = 1 AND NOT EXISTS (
            SELECT 1 FROM named n WHERE n.place = e.place AND n.verdict IN ('SAME', 'WRONG_DEBIT'))
    ) e JOIN (
        SELECT *, row_number() OVER (
            PARTITION BY kind, account, points, reference ORDER BY theirs = '', key) AS turn
        FROM mine m WHERE status <> 'REFUSED' AND NOT EXISTS (
            SELECT 1 FROM named n WHERE n.ours = m.id AND n.verdict IN ('SAME', 'WRONG_DEBIT'))
    ) m USING (kind, account, points, reference, turn)
    WHERE (m.status = 'SUCCEEDED' OR EXISTS (SELECT 1 FROM named WHERE named.place = e.place))
), unanswered AS MATERIALIZED (
    SELECT *, row_number() OVER (
        PARTITION BY kind, account, points, reference ORDER BY status = 'INTENDED', key) AS turn
    FROM mine WHERE theirs = '' AND status IN ('INTENDED', 'SENT', 'UNKNOWN', 'NEEDS_REVIEW')
        AND NOT EXISTS (SELECT 1 FROM swapped WHERE swapped.ours = mine.id)
), strangers AS MATERIALIZED (
    SELECT *, row_number() OVER (
        PARTITION BY kind, account, points, reference ORDER BY place) AS turn
    FROM entries e
    WHERE e.listed = 1 AND NOT EXISTS (SELECT 1 FROM named WHERE named.place = e.place)
        AND NOT EXISTS (SELECT 1 FROM swapped WHERE swapped.place = e.place)
), exact AS MATERIALIZED (
    SELECT s.place, u.id AS ours, 'UNANSWERED' AS verdict
    FROM strangers s JOIN unanswered u USING (kind, account, points, reference, turn)
), near AS MATERIALIZED (
    SELECT s.place, u.id AS ours,
        CASE WHEN s.account <> u.account THEN 'ACCOUNT' ELSE 'AMOUNT' END AS verdict
    FROM (
        SELECT *, row_number() OVER (PARTITION BY kind, reference ORDER BY place) AS nth
        FROM strangers s WHERE NOT EXISTS (SELECT 1 FROM exact WHERE exact.place = s.place)
    ) s JOIN (
        SELECT *, row_number() OVER (PARTITION BY kind, reference ORDER BY key) AS nth
        FROM unanswered u
        WHERE u.status <> 'INTENDED' AND NOT EXISTS (SELECT 1 FROM exact WHERE exact.ours = u.id)
    ) u USING (kind, reference, nth)
), paired AS MATERIALIZED (
    SELECT * FROM named WHERE NOT EXISTS (SELECT 1 FROM swapped WHERE swapped.place = named.place)
    UNION ALL SELECT * FROM swapped UNION ALL SELECT * FROM exact UNION ALL SELECT * FROM near
), lone AS (
    SELECT DISTINCT ON (s.place) s.place, twin.id AS ours,
        CASE WHEN twin.has_its_own THEN 'DUPLICATE' ELSE 'MISSING_HERE' END AS verdict
    FROM strangers s LEFT JOIN (
        SELECT *, theirs <> '' OR id IN (SELECT ours FROM paired) AS has_its_own FROM mine
    ) twin ON (twin.kind, twin.reference) = (s.kind, s.reference)
        AND (twin.kind = 'debit' OR (twin.account, twin.points) = (s.account, s.points))
    WHERE NOT EXISTS (SELECT 1 FROM paired WHERE paired.place = s.place)
    ORDER BY s.place, twin.has_its_own DESC, twin.key
), listed_again AS (
    SELECT e.place, m.id AS ours, 'DUPLICATE' AS verdict
    FROM entries e LEFT JOIN mine m ON m.theirs = e.id AND m.theirs <> ''
    WHERE e.listed > 1
)
SELECT verdict, e.id, e.kind, e.reference, e.points, e.account, e.at,
    m.id, coalesce(m.key, ''), coalesce(m.status, ''), coalesce(m.theirs, ''), m.points,
    coalesce(m.account, ''), m.order_id, coalesce(m.expected, false),
    e.original, coalesce(m.debit, '')
FROM (
    SELECT * FROM paired UNION ALL SELECT * FROM lone UNION ALL SELECT * FROM listed_again
) verdicts JOIN entries e USING (place) LEFT JOIN mine m ON m.id = verdicts.ours
UNION ALL
SELECT 'MISSING_THERE', '', m.kind, m.reference, NULL, '', m.settled_at,
    m.id, m.key, m.status, m.theirs, m.points, m.account, m.order_id, true, '', m.debit
FROM mine m
WHERE m.expected AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.id = m.theirs)
    AND NOT EXISTS (SELECT 1 FROM swapped WHERE swapped.ours = m.id)
"""


@dataclass(frozen=True, slots=True)
class Match:
    """An entry with its transaction. Either may be missing; its fields are then empty.

    `verdict` is SAME, UNANSWERED or a DifferenceKind. `at` is the entry's time or, without an
    entry, the time when our transaction was settled. `key`, `status` and `theirs` are the
    transaction's; `expected`: it must have an entry. `debit_there` and `debit_here` are the numbers
    of the debit that a credit names.
    """

    verdict: str
    entry: str
    kind: str
    reference: str
    points_there: int | None
    account_there: str
    at: datetime
    transaction_id: UUID | None
    key: str
    status: str
    theirs: str
    points_here: int | None
    account_here: str
    order_id: UUID | None
    expected: bool
    debit_there: str
    debit_here: str

    @property
    def is_difference(self) -> bool:
        return self.verdict in DifferenceKind.values


def compare(source: str, facts: Mapping[str, Any]) -> Iterator[Match]:
    """Yield a match for every entry of `source` (SQL), and for every transaction without its entry.

    `facts` has the parameters of `source` and `companies`, `began`, `since`, `until` (each may be
    None). A succeeded transaction of these companies must have an entry if it was created since
    `began` and settled from `since` until before `until`. Results are streamed.
    """
    with connection.cursor() as cursor:
        # For a cursor PostgreSQL plans for the first rows, which takes a hundred times as long for
        # all rows of a large statement. The setting lasts for this transaction.
        cursor.execute("SELECT set_config('cursor_tuple_fraction', '1', true)")
    with connection.chunked_cursor() as cursor:
        cursor.execute(_COMPARE.replace("{source}", source), facts)
        while rows := cursor.fetchmany(1000):
            for row in rows:
                yield Match(*row)
