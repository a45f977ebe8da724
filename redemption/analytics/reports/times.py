"""How long confirming, shipping and delivering take: median and p90."""

from collections import Counter, defaultdict
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from loyalty_portal.data.replica import reporting
from loyalty_portal.data.tables.tables import (
    CellKind,
    ReportColumn,
    ReportPage,
    ReportTable,
    ReportTile,
)
from redemption.analytics.buckets import quantile
from redemption.analytics.questions import Question
from redemption.analytics.reports.titles import names, table_title
from redemption.analytics.selectors import in_order, key_row, summed_by_bucket, within
from redemption.models import DurationFigure, Stage

Buckets = dict[Any, dict[str, Counter[int]]]


def answer(question: Question) -> ReportPage:
    """A quantile is the upper bound of its bucket (redemption/analytics/buckets.py)."""
    found = summed_by_bucket(_rows(question), question)
    now, then = _together(found), _together(_found_before(question))
    tiles = [
        ReportTile(
            f"{Stage(stage).label}, {told}",
            quantile(now[stage], percent),
            CellKind.SECONDS,
            quantile(then[stage], percent),
            good=-1,
        )
        for stage in Stage
        for percent, told in ((50, _("median")), (90, _("p90")))
    ]
    return ReportPage(tiles, [_table(question, found)])


def _found_before(question: Question) -> Buckets:
    before = question.before()
    return summed_by_bucket(_rows(before), before)


def _rows(question: Question) -> QuerySet[DurationFigure]:
    rows = within(DurationFigure.objects.using(reporting()), question.span)
    if question.by == "person":
        return rows.filter(person__isnull=False)
    if question.product or question.by == "product":
        rows = rows.filter(product__isnull=False)
        return rows.filter(product=question.product) if question.product else rows
    return rows.filter(product=None, person=None)


def _together(found: Buckets) -> dict[str, Counter[int]]:
    together: dict[str, Counter[int]] = defaultdict(Counter)
    for stages in found.values():
        for stage, counts in stages.items():
            together[stage].update(counts)
    return together


def _table(question: Question, found: Buckets) -> ReportTable:
    times = {
        key: Counter({"n": sum(counts.total() for counts in stages.values())})
        for key, stages in found.items()
    }
    keys, left_out = in_order(times, question, largest="n")
    before = names(question)
    columns = list(before)
    number, median, p90 = _("number"), _("median"), _("p90")
    for stage in Stage:
        columns += [
            ReportColumn(f"{stage.label}: {number}"),
            ReportColumn(f"{stage.label}: {median}", CellKind.SECONDS),
            ReportColumn(f"{stage.label}: {p90}", CellKind.SECONDS),
        ]
    rows = []
    for key in keys:
        stages = found.get(key, {})
        values: list[float | None] = []
        for stage in Stage:
            counts = stages.get(stage, Counter())
            values += [counts.total(), quantile(counts, 50), quantile(counts, 90)]
        rows.append(key_row(question, key, values))
    return ReportTable(
        key="times",
        title=table_title(question),
        columns=columns,
        rows=rows,
        drawn=len(before) + 5,
        is_timeline=question.by == "time",
        left_out=left_out,
        note=_("At most so long; the bars show the p90 of shipping."),
    )
