"""How orders and lines ended, and why some ended badly."""

from collections import Counter
from typing import Any

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
from loyalty_portal.data.texts.kept import retold
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
from redemption.states import LineStatus, OrderStatus

_REFUSED = [OrderStatus.DECLINED]
_UNAPPROVED = [OrderStatus.REJECTED, OrderStatus.EXPIRED]
_CANCELLED = [OrderStatus.CANCELLED]
_FAILED = [LineStatus.FAILED]
_NOTHING: Counter[str] = Counter()
# In the order of the table: the sum, what it is a share of.
_RATES = (
    ("refused", "orders"),
    ("unapproved", "orders"),
    ("cancelled", "orders"),
    ("failed", "lines"),
    ("back", "units"),
)


def answer(question: Question) -> ReportPage:
    """Rates are shares of the orders placed in the span; of failed lines, of the lines whose points
    were taken; of units that came back, of the units of these lines.
    """
    sums = _sums(question)
    now, then = total(sums), total(_sums(question.before()))
    titles = (
        *(_("Refused"), _("Not approved"), _("Cancelled"), _("Lines that failed")),
        _("Pieces that came back"),
    )
    tiles = [
        ReportTile(
            title,
            share(now[part], now[of]),
            CellKind.SHARE,
            share(then[part], then[of]),
            good=-1,
        )
        for title, (part, of) in zip(titles, _RATES, strict=True)
    ]
    return ReportPage(tiles, [_table(question, sums), _reasons(question)])


def _sums(question: Question) -> dict[Any, Counter[str]]:
    ends = {"refused": _REFUSED, "unapproved": _UNAPPROVED, "cancelled": _CANCELLED}
    orders = {name: Sum("orders", filter=Q(status__in=statuses)) for name, statuses in ends.items()}
    failed = Sum("lines", filter=Q(status__in=_FAILED))
    taken = line_rows(question).filter(taken=True)
    return merged(
        summed(order_rows(question), question, orders=Sum("orders"), **orders),
        summed(
            taken,
            question,
            lines=Sum("lines"),
            failed=failed,
            units=Sum("units"),
            back=Sum("units_back"),
        ),
    )


def _table(question: Question, sums: dict[Any, Counter[str]]) -> ReportTable:
    keys, left_out = in_order(sums, question, largest="orders")
    before = names(question)
    rows = []
    for key in keys:
        counted = sums.get(key, _NOTHING)
        rates: list[float | None] = []
        for part, of in _RATES:
            rates += [counted[part], share(counted[part], counted[of])]
        rows.append(key_row(question, key, [counted["orders"], *rates]))
    return ReportTable(
        key="outcomes",
        title=table_title(question),
        columns=[
            *before,
            ReportColumn(_("Orders")),
            ReportColumn(_("Refused")),
            ReportColumn(_("Refused, share"), CellKind.SHARE),
            ReportColumn(_("Not approved")),
            ReportColumn(_("Not approved, share"), CellKind.SHARE),
            ReportColumn(_("Cancelled")),
            ReportColumn(_("Cancelled, share"), CellKind.SHARE),
            ReportColumn(_("Failed lines")),
            ReportColumn(_("Failed lines, share"), CellKind.SHARE),
            ReportColumn(_("Pieces that came back")),
            ReportColumn(_("Pieces that came back, share"), CellKind.SHARE),
        ],
        rows=rows,
        drawn=len(before),
        is_timeline=question.by == "time",
        left_out=left_out,
    )


def _reasons(question: Question) -> ReportTable:
    orders = order_rows(question).filter(status__in=[*_REFUSED, *_CANCELLED]).order_by()
    lines = line_rows(question).filter(taken=True, status__in=_FAILED).order_by()
    words = {str(status): status.label for status in (*_REFUSED, *_CANCELLED, *_FAILED)}
    both = _by_reason(orders, "orders").union(_by_reason(lines, "lines"), all=True)
    found = [(words[status], *more) for status, *more in both]
    found.sort(key=lambda row: (-row[2], str(row[0]), row[1]))
    kept = found[: question.most]
    return ReportTable(
        key="reasons",
        title=_("Reasons"),
        columns=[
            ReportColumn(_("What"), CellKind.TEXT),
            ReportColumn(_("Reason"), CellKind.TEXT),
            ReportColumn(_("Number")),
            ReportColumn(_("Points"), CellKind.POINTS),
        ],
        rows=[
            ReportRow([str(what), retold(reason) or "–", number, points])
            for what, reason, number, points in kept
        ],
        drawn=2,
        left_out=len(kept) < len(found),
        note=_("Refused and cancelled orders, and lines that could not be supplied."),
    )


def _by_reason(rows: Any, counted: str) -> Any:
    return rows.values_list("status", "reason").annotate(n=Sum(counted), worth=Sum("points"))
