"""What people looked at, and what of it nobody redeemed."""

from collections import Counter
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.utils.translation import gettext as _

from catalog.models import ProductView
from loyalty_portal.data.replica import reporting
from loyalty_portal.data.tables.tables import (
    CellKind,
    ReportColumn,
    ReportPage,
    ReportTable,
    ReportTile,
    share,
)
from redemption.analytics.questions import Question
from redemption.analytics.reports.titles import names, table_title
from redemption.analytics.selectors import (
    in_order,
    key_row,
    line_rows,
    merged,
    summed,
    total,
)

Groups = dict[Any, Counter[str]]


def answer(question: Question) -> ReportPage:
    """Build the report. It counts one look for each seat, product and day."""
    sums = _sums(question)
    now, then = total(sums), total(_sums(question.before()))
    unredeemed = {
        key: counted for key, counted in sums.items() if counted["looks"] and not counted["lines"]
    }
    seen = {key: counted for key, counted in sums.items() if counted["looks"]}
    tiles = [
        ReportTile(_("Looks"), now["looks"], before=then["looks"], good=1),
        ReportTile(_("Redeemed, lines"), now["lines"], before=then["lines"], good=1),
        ReportTile(
            _("Lines for each look"),
            share(now["lines"], now["looks"]),
            CellKind.AVERAGE,
            share(then["lines"], then["looks"]),
            good=1,
        ),
        ReportTile(_("Looked at and not redeemed"), len(unredeemed), compared=False),
    ]
    return ReportPage(
        tiles,
        [
            _table(question, seen, key="looked_at", title=table_title(question)),
            _table(question, unredeemed, key="unredeemed", title=_("Looked at and not redeemed")),
        ],
    )


def _sums(question: Question) -> Groups:
    """By group: `looks`, the `seats` that looked, and the `lines` redeemed."""
    lines = line_rows(question).filter(taken=True)
    people = Count("seat", distinct=True)
    return merged(
        summed(_views(question), question, looks=Count("pk"), seats=people),
        summed(lines, question, lines=Sum("lines"), points=Sum("points")),
    )


def _views(question: Question) -> QuerySet[ProductView]:
    span = question.span
    rows = ProductView.objects.using(reporting()).filter(day__gte=span.first, day__lte=span.last)
    if question.company:
        rows = rows.filter(seat__company=question.company)
    if question.tier:
        rows = rows.filter(seat__company__tier_level=question.tier)
    if question.seat:
        rows = rows.filter(seat=question.seat)
    if question.category:
        rows = rows.filter(product__category=question.category)
    return rows.filter(product=question.product) if question.product else rows


def _table(question: Question, sums: Groups, *, key: str, title: str) -> ReportTable:
    keys, left_out = in_order(sums, question, largest="looks")
    before = names(question)
    rows = []
    for each in keys:
        counted = sums[each]
        values = [
            *(counted["looks"], counted["seats"], counted["lines"], counted["points"]),
            share(counted["lines"], counted["looks"]),
        ]
        rows.append(key_row(question, each, values))
    return ReportTable(
        key=key,
        title=title,
        columns=[
            *before,
            ReportColumn(_("Looks")),
            ReportColumn(_("Account managers")),
            ReportColumn(_("Lines redeemed")),
            ReportColumn(_("Points redeemed"), CellKind.POINTS),
            ReportColumn(_("Lines for each look"), CellKind.AVERAGE),
        ],
        rows=rows,
        drawn=len(before),
        left_out=left_out,
        note=_("A look is an account manager who opened a product's page on a day."),
    )
