"""How fast stock turns over, and what lies there unmoved."""

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connections
from django.utils.translation import gettext as _

from loyalty_portal.data.replica import reporting
from loyalty_portal.data.tables.tables import (
    CellKind,
    ReportColumn,
    ReportPage,
    ReportRow,
    ReportTable,
    ReportTile,
    share,
)
from redemption.analytics.questions import Question

_YEAR = 365

# Pieces on hand at the beginning and the end of a span are those of now without what changed since.
# All movements since the period before are read once, and all products sorted where they lie.
_STOCKED = """
    WITH moved AS MATERIALIZED (
        SELECT product_id,
            -coalesce(sum(pieces) FILTER (WHERE is_sent AND at >= %(start)s AND at < %(end)s), 0)
                AS sent,
            -coalesce(sum(pieces) FILTER (WHERE is_sent AND at < %(start)s), 0) AS sent_before,
            coalesce(sum(pieces) FILTER (WHERE at >= %(end)s), 0) AS since_end,
            coalesce(sum(pieces) FILTER (WHERE at >= %(start)s), 0) AS since_start,
            sum(pieces) AS since_before
        FROM (
            SELECT product_id, created_at AS at, kind = 'CONSUMED' AS is_sent,
                available_change + reserved_change AS pieces
            FROM inventory_stockmovement WHERE created_at >= %(before)s
        ) movements
        GROUP BY product_id
    ), stocked AS MATERIALIZED (
        SELECT product.sku, product.name, product.points_cost AS points, on_hand.now,
            on_hand.now - coalesce(since_start, 0) AS earlier,
            coalesce(sent, 0) AS sent, coalesce(sent_before, 0) AS sent_before,
            greatest(0, 2 * on_hand.now - coalesce(since_start, 0) - coalesce(since_end, 0)) / 2.0
                AS average,
            greatest(0, 2 * on_hand.now - coalesce(since_before, 0) - coalesce(since_start, 0))
                / 2.0 AS average_before
        FROM inventory
        JOIN product ON product.id = inventory.product_id
        LEFT JOIN moved ON moved.product_id = inventory.product_id
        CROSS JOIN LATERAL (SELECT quantity_available + quantity_reserved AS now) on_hand
        WHERE inventory.is_tracked
            AND (%(category)s::uuid IS NULL OR product.category_id = %(category)s::uuid)
            AND (%(product)s::uuid IS NULL OR product.id = %(product)s::uuid)
    )
    SELECT 1, json_build_object(
        'now', coalesce(sum(now), 0), 'earlier', coalesce(sum(earlier), 0),
        'sent', coalesce(sum(sent), 0), 'sent_before', coalesce(sum(sent_before), 0),
        'average', coalesce(sum(average), 0)::float,
        'average_before', coalesce(sum(average_before), 0)::float,
        'dead', count(*) FILTER (WHERE now > 0 AND sent = 0),
        'dead_before', count(*) FILTER (WHERE earlier > 0 AND sent_before = 0),
        'points', coalesce(sum(now * points) FILTER (WHERE now > 0 AND sent = 0), 0),
        'points_before',
            coalesce(sum(earlier * points) FILTER (WHERE earlier > 0 AND sent_before = 0), 0)
    )::text FROM stocked
    UNION ALL (SELECT 2, json_agg(each)::text FROM (
        SELECT sku, name, points, now, sent, average::float AS average FROM stocked
        WHERE sent > 0 ORDER BY sent DESC, sku LIMIT %(most)s) each)
    UNION ALL (SELECT 3, json_agg(each)::text FROM (
        SELECT sku, name, points, now, sent, average::float AS average FROM stocked
        WHERE now > 0 AND sent = 0 ORDER BY now * points DESC, sku LIMIT %(most)s) each)
    ORDER BY 1
"""


class _Stocked(NamedTuple):
    sku: str
    name: str
    points: int  # of one piece
    now: int  # pieces on hand
    sent: int
    average: float

    @property
    def turns(self) -> float | None:
        return share(self.sent, self.average)


@dataclass(frozen=True, slots=True)
class _StockFound:
    """The sums over all products, and the first rows of both tables with one more than asked."""

    sums: dict[str, float]
    moving: list[_Stocked]
    dead: list[_Stocked]


def answer(question: Question) -> ReportPage:
    """Stock that is counted: pieces on hand, sent out in the span, and turns a year; beside the
    period before, and what is on hand beside what was at the beginning of the span.
    """
    found = _stocked(question)
    sums, a_year = found.sums, _YEAR / question.span.days
    a_year_before = _YEAR / question.span.before().days
    turns = share(sums["sent"], sums["average"])
    turned = share(sums["sent_before"], sums["average_before"])
    tiles = [
        ReportTile(_("Pieces on hand now"), sums["now"], before=sums["earlier"]),
        ReportTile(_("Pieces sent out"), sums["sent"], before=sums["sent_before"], good=1),
        ReportTile(
            _("Turns a year"),
            None if turns is None else turns * a_year,
            CellKind.AVERAGE,
            None if turned is None else turned * a_year_before,
            good=1,
        ),
        ReportTile(
            _("Products that lie unmoved"), sums["dead"], before=sums["dead_before"], good=-1
        ),
        ReportTile(
            _("Their points"), sums["points"], CellKind.POINTS, sums["points_before"], good=-1
        ),
    ]
    return ReportPage(tiles, [_turns(question, found.moving, a_year), _dead(question, found.dead)])


def _stocked(question: Question) -> _StockFound:
    """What is asked of all products whose stock is counted, in one statement."""
    values: dict[str, Any] = {
        "before": question.span.before().start,
        "start": question.span.start,
        "end": question.span.end,
        "category": question.category and question.category.pk,
        "product": question.product and question.product.pk,
        "most": None if question.most is None else question.most + 1,
    }
    with connections[reporting()].cursor() as cursor:
        cursor.execute(_STOCKED, values)
        sums, moving, dead = (json.loads(text or "[]") for _place, text in cursor.fetchall())
    return _StockFound(sums, [_Stocked(**row) for row in moving], [_Stocked(**row) for row in dead])


def _turns(question: Question, rows: list[_Stocked], a_year: float) -> ReportTable:
    kept = rows[: question.most]
    return ReportTable(
        key="turns",
        title=_("Turns"),
        columns=[
            ReportColumn(_("SKU"), CellKind.CODE),
            ReportColumn(_("Product"), CellKind.TEXT),
            ReportColumn(_("On hand now")),
            ReportColumn(_("On hand on average"), CellKind.AVERAGE),
            ReportColumn(_("Sent out")),
            ReportColumn(_("Turns a year"), CellKind.AVERAGE),
            ReportColumn(_("Days that it lasts"), CellKind.AVERAGE),
        ],
        rows=[
            ReportRow(
                [
                    *(row.sku, row.name, row.now, row.average, row.sent),
                    None if row.turns is None else row.turns * a_year,
                    share(row.now * question.span.days, row.sent),
                ],
                {"product": row.sku},
            )
            for row in kept
        ],
        drawn=4,
        left_out=len(kept) < len(rows),
        note=_("On average: half of what was there at the beginning and at the end together."),
    )


def _dead(question: Question, rows: list[_Stocked]) -> ReportTable:
    kept = rows[: question.most]
    return ReportTable(
        key="dead",
        title=_("Lies unmoved"),
        columns=[
            ReportColumn(_("SKU"), CellKind.CODE),
            ReportColumn(_("Product"), CellKind.TEXT),
            ReportColumn(_("On hand now")),
            ReportColumn(_("Points"), CellKind.POINTS),
        ],
        rows=[ReportRow([row.sku, row.name, row.now, row.now * row.points]) for row in kept],
        drawn=3,
        left_out=len(kept) < len(rows),
        note=_("Products with stock of which nothing was sent out in this time."),
    )
