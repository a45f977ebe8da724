"""Points taken and given back, and what is on its way or held now."""

from collections import Counter
from typing import Any

from django.db.models import F, Q, QuerySet, Sum, Value
from django.utils.translation import gettext as _

from loyalty_portal.data.replica import reporting
from loyalty_portal.data.tables.tables import (
    CellKind,
    ReportColumn,
    ReportPage,
    ReportRow,
    ReportTable,
    ReportTile,
)
from loyalty_portal.data.texts.kept import retold
from redemption.analytics.questions import Question
from redemption.analytics.reports.titles import names, table_title
from redemption.analytics.selectors import in_order, key_row, merged, points_rows, summed, total
from redemption.models import LineFigure, LoyaltyTransaction, TransactionType
from redemption.states import OPEN_TRANSACTION, SETTLED_LINE, LineStatus, TransactionStatus

_NOTHING: Counter[str] = Counter()
_T = TransactionType
_OPEN_LINE = sorted({*LineStatus} - SETTLED_LINE)


def answer(question: Question) -> ReportPage:
    """What moved in the span, by the time of the partner's answer, and what is open now."""
    sums = _sums(question)
    now, then = total(sums), total(_sums(question.before()))
    moved = (
        (_("Taken"), "taken", 1),
        (_("Given back"), "back", -1),
        (_("Taken again"), "again", 0),
    )
    tiles = [
        ReportTile(title, now[key], CellKind.POINTS, then[key], good=good)
        for title, key, good in moved
    ]
    taking, giving_back = _open(question)
    open_now = (
        (_("Being taken now"), taking),
        (_("Being given back now"), giving_back),
        (_("Held for open lines now"), _held(question)),
    )
    tiles += [
        ReportTile(title, points, CellKind.POINTS, compared=False) for title, points in open_now
    ]
    return ReportPage(tiles, [_table(question, sums), _reasons(question)])


def _sums(question: Question) -> dict[Any, Counter[str]]:
    done = Q(status=TransactionStatus.SUCCEEDED)
    kinds = {
        "taken": done & Q(kind=_T.DEBIT),
        "back": done & Q(kind=_T.CREDIT),
        "again": done & Q(kind=_T.CORRECTION),
        "refused": Q(status=TransactionStatus.REFUSED, kind=_T.DEBIT),
    }
    counts = {f"{name}_number": Sum("transactions", filter=kind) for name, kind in kinds.items()}
    points = {name: Sum("points", filter=kind) for name, kind in kinds.items()}
    return merged(summed(points_rows(question), question, **counts, **points))


def _open(question: Question) -> tuple[int, int]:
    """Points being taken, and being given back: the outcome is not known yet. One query, of which
    each part has an index.
    """
    rows = _of(LoyaltyTransaction.objects.using(reporting()), question).order_by()
    is_open = rows.filter(status__in=sorted(OPEN_TRANSACTION))
    given_back = [_T.CREDIT]
    parts = [
        is_open.filter(transaction_type__in=kinds)
        .values(back=Value(kinds == given_back))
        .annotate(n=Sum("points_amount"))
        for kinds in ([_T.DEBIT, _T.CORRECTION], given_back)
    ]
    found = {row["back"]: row["n"] for row in parts[0].union(parts[1], all=True)}
    return found.get(False, 0), found.get(True, 0)


def _held(question: Question) -> int:
    """Points that were taken for lines which are not settled, and that nobody gets back yet."""
    rows = LineFigure.objects.using(reporting()).filter(taken=True, status__in=_OPEN_LINE)
    return _of(rows, question).aggregate(n=Sum(F("points") - F("points_back")))["n"] or 0


def _of(rows: QuerySet[Any], question: Question) -> QuerySet[Any]:
    if question.company:
        rows = rows.filter(company=question.company)
    return rows.filter(company__tier_level=question.tier) if question.tier else rows


def _table(question: Question, sums: dict[Any, Counter[str]]) -> ReportTable:
    keys, left_out = in_order(sums, question, largest="taken")
    before = names(question)
    columns = (
        (_("Debits"), "taken_number", CellKind.COUNT),
        (_("Taken"), "taken", CellKind.POINTS),
        (_("Credits"), "back_number", CellKind.COUNT),
        (_("Given back"), "back", CellKind.POINTS),
        (_("Taken again"), "again", CellKind.POINTS),
        (_("Refused debits"), "refused_number", CellKind.COUNT),
        (_("Refused points"), "refused", CellKind.POINTS),
    )
    rows = [
        key_row(question, key, [sums.get(key, _NOTHING)[name] for _title, name, _kind in columns])
        for key in keys
    ]
    return ReportTable(
        key="points",
        title=table_title(question),
        columns=[*before, *(ReportColumn(title, kind) for title, _name, kind in columns)],
        rows=rows,
        drawn=len(before) + 1,
        is_timeline=question.by == "time",
        left_out=left_out,
    )


def _reasons(question: Question) -> ReportTable:
    rows = points_rows(question).filter(
        Q(kind=_T.CREDIT, status=TransactionStatus.SUCCEEDED)
        | Q(kind=_T.DEBIT, status=TransactionStatus.REFUSED)
    )
    found = list(
        rows.order_by()
        .values_list("kind", "reason")
        .annotate(n=Sum("transactions"), worth=Sum("points"))
        .order_by("-worth", "kind", "reason")
    )
    kept = found[: question.most]
    words = {_T.CREDIT: _("Given back"), _T.DEBIT: _("Refused")}
    return ReportTable(
        key="point_reasons",
        title=_("Reasons"),
        columns=[
            ReportColumn(_("What"), CellKind.TEXT),
            ReportColumn(_("Reason"), CellKind.TEXT),
            ReportColumn(_("Number")),
            ReportColumn(_("Points"), CellKind.POINTS),
        ],
        rows=[
            ReportRow([words[TransactionType(kind)], retold(reason) or "–", number, points])
            for kind, reason, number, points in kept
        ],
        drawn=3,
        left_out=len(kept) < len(found),
    )
