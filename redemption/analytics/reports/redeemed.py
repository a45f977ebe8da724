"""Points redeemed, orders, and the average order."""

from collections import Counter

from django.db.models import Q, Sum
from django.utils.translation import gettext as _

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
from redemption.analytics.reports.titles import names, table_title
from redemption.analytics.selectors import (
    in_order,
    key_row,
    line_rows,
    merged,
    order_rows,
    summed,
    total,
)

_NOTHING: Counter[str] = Counter()


def answer(question: Question) -> ReportPage:
    """Lines are counted instead of orders where products or categories are asked for."""
    sums = _sums(question)
    now, then = total(sums), total(_sums(question.before()))
    return ReportPage(_tiles(question, now, then), [_table(question, sums)])


def _sums(question: Question) -> dict[object, Counter[str]]:
    """By group: `every` order (or line), those whose points were `taken`, and what these are."""
    taken = Q(taken=True)
    lines = {
        "units": Sum("units", filter=taken),
        "back": Sum("points_back", filter=taken),
    }
    if question.about_lines:
        counted = {"every": Sum("lines"), "taken": Sum("lines", filter=taken)}
        points = Sum("points", filter=taken)
        return merged(summed(line_rows(question), question, **counted, points=points, **lines))
    orders = {
        "every": Sum("orders"),
        "taken": Sum("orders", filter=taken),
        "points": Sum("points", filter=taken),
    }
    return merged(
        summed(order_rows(question), question, **orders),
        summed(line_rows(question), question, **lines),
    )


def _tiles(question: Question, now: Counter[str], then: Counter[str]) -> list[ReportTile]:
    average = _("Points a line") if question.about_lines else _("Average order, points")
    counted = _("Lines") if question.about_lines else _("Orders")
    return [
        ReportTile(_("Points redeemed"), now["points"], CellKind.POINTS, then["points"], good=1),
        ReportTile(counted, now["every"], CellKind.COUNT, then["every"], good=1),
        ReportTile(
            average,
            share(now["points"], now["taken"]),
            CellKind.AVERAGE,
            share(then["points"], then["taken"]),
        ),
        ReportTile(
            _("Of it given back, points"), now["back"], CellKind.POINTS, then["back"], good=-1
        ),
    ]


def _table(question: Question, sums: dict[object, Counter[str]]) -> ReportTable:
    keys, left_out = in_order(sums, question, largest="points")
    before = names(question)
    return ReportTable(
        key="redeemed",
        title=table_title(question),
        columns=[
            *before,
            ReportColumn(_("Lines") if question.about_lines else _("Orders")),
            ReportColumn(_("Points taken for")),
            ReportColumn(_("Pieces")),
            ReportColumn(_("Points redeemed"), CellKind.POINTS),
            ReportColumn(_("Average, points"), CellKind.AVERAGE),
            ReportColumn(_("Given back"), CellKind.POINTS),
        ],
        rows=[_row(question, key, sums.get(key, _NOTHING)) for key in keys],
        drawn=len(before) + 3,
        is_timeline=question.by == "time",
        left_out=left_out,
    )


def _row(question: Question, key: object, counted: Counter[str]) -> ReportRow:
    values = [
        counted["every"],
        counted["taken"],
        counted["units"],
        counted["points"],
        share(counted["points"], counted["taken"]),
        counted["back"],
    ]
    return key_row(question, key, values)
