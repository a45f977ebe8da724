"""How fast stock turns over, and what lies there unmoved."""

from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, QuerySet, Sum
from django.utils.translation import gettext as _

from inventory.models import Inventory, MovementKind, StockMovement
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
_ON_HAND = F("quantity_available") + F("quantity_reserved")


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


def answer(question: Question) -> ReportPage:
    """Stock that is counted: pieces on hand, sent out in the span, and turns a year."""
    stocked = _stocked(question)
    moving = sorted((row for row in stocked if row.sent), key=lambda row: (-row.sent, row.sku))
    dead = sorted(
        (row for row in stocked if row.now > 0 and not row.sent),
        key=lambda row: (-row.now * row.points, row.sku),
    )
    a_year = _YEAR / question.span.days
    sent, average = sum(row.sent for row in stocked), sum(row.average for row in stocked)
    turns = share(sent, average)
    tiles = [
        ReportTile(_("Pieces on hand now"), sum(r.now for r in stocked), compared=False),
        ReportTile(_("Pieces sent out"), sent, compared=False),
        ReportTile(
            _("Turns a year"),
            None if turns is None else turns * a_year,
            CellKind.AVERAGE,
            compared=False,
        ),
        ReportTile(_("Products that lie unmoved"), len(dead), compared=False),
        ReportTile(
            _("Their points"),
            sum(row.now * row.points for row in dead),
            CellKind.POINTS,
            compared=False,
        ),
    ]
    return ReportPage(tiles, [_turns(question, moving, a_year), _dead(question, dead)])


def _stocked(question: Question) -> list[_Stocked]:
    """Each product whose stock is counted, with its pieces on average of start and end."""
    rows = Inventory.objects.using(reporting()).filter(is_tracked=True)
    moves = StockMovement.objects.using(reporting())
    if question.category:
        rows = rows.filter(product__category=question.category)
        moves = moves.filter(product__category=question.category)
    if question.product:
        rows, moves = rows.filter(product=question.product), moves.filter(product=question.product)
    start, end = question.span.start, question.span.end
    sent = _changes(moves.filter(kind=MovementKind.CONSUMED, created_at__lt=end), start)
    since_start, since_end = _changes(moves, start), _changes(moves, end)
    found = rows.annotate(now=_ON_HAND).values_list(
        "product", "product__sku", "product__name", "product__points_cost", "now"
    )
    return [
        _Stocked(
            sku,
            name,
            points,
            now,
            -sent.get(product, 0),
            max(0, 2 * now - since_start.get(product, 0) - since_end.get(product, 0)) / 2,
        )
        for product, sku, name, points, now in found
    ]


def _changes(moves: QuerySet[StockMovement], since: datetime) -> dict[Any, int]:
    """By how many pieces on hand each product changed."""
    pieces = Sum(F("available_change") + F("reserved_change"))
    rows = moves.filter(created_at__gte=since).order_by()
    return dict(rows.values_list("product").annotate(n=pieces))


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
