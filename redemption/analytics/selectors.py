"""Adds up figures for a question: by parts of its span, or by company, tier, seat, category,
product or person.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

from django.db.models import Aggregate, QuerySet, Sum

from accounts.models import TierLevel
from loyalty_portal.data.replica import reporting
from loyalty_portal.data.tables.spans import Span, part_of, part_told
from loyalty_portal.data.tables.tables import CellKind, ReportColumn, ReportRow
from redemption.analytics.questions import Question
from redemption.models import FiguresMark, HourlyFigure, LineFigure, OrderFigure, PointsFigure

Sums = Mapping[Any, Counter[str]]
Hourly = TypeVar("Hourly", bound=HourlyFigure)

# What identifies a group, then what names it.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "company": ("company__loyalty_account_id", "company__name"),
    "tier": ("company__tier_level",),
    "seat": ("seat", "seat__user__name", "seat__user__email", "company__name"),
    "category": ("product__category__slug", "product__category__name"),
    "product": ("product__sku", "product__name"),
    "person": ("person", "person__name", "person__email"),
}


def order_rows(question: Question) -> QuerySet[OrderFigure]:
    """The coarsest rows about orders that answer the question."""
    rows = within(OrderFigure.objects.using(reporting()), question.span)
    if question.seat or question.by == "seat":
        rows = rows.filter(seat__isnull=False)
    elif question.company or question.tier or question.by in {"company", "tier"}:
        rows = rows.filter(company__isnull=False, seat=None)
    else:
        rows = rows.filter(company=None, seat=None)
    return _of_whom(rows, question)


def line_rows(question: Question) -> QuerySet[LineFigure]:
    """The rows about lines that answer the question."""
    rows = _of_whom(within(LineFigure.objects.using(reporting()), question.span), question)
    if question.category:
        rows = rows.filter(product__category=question.category)
    return rows.filter(product=question.product) if question.product else rows


def points_rows(question: Question) -> QuerySet[PointsFigure]:
    """The rows about transactions that answer the question. They know companies only."""
    rows = within(PointsFigure.objects.using(reporting()), question.span)
    if question.company or question.tier or question.by in {"company", "tier"}:
        rows = rows.filter(company__isnull=False)
    else:
        rows = rows.filter(company=None)
    return _of_whom(rows, question)


def within(rows: QuerySet[Hourly], span: Span) -> QuerySet[Hourly]:
    """The rows of the hours that begin in the span."""
    return rows.filter(hour__gte=span.start, hour__lt=span.end)


def _of_whom(rows: QuerySet[Hourly], question: Question) -> QuerySet[Hourly]:
    if question.company:
        rows = rows.filter(company=question.company)
    if question.tier:
        rows = rows.filter(company__tier_level=question.tier)
    if question.seat:
        rows = rows.filter(seat=question.seat)
    return rows


def summed(rows: QuerySet[Any], question: Question, **measures: Aggregate) -> Sums:
    """Some sums in groups, by their names. The keys are days for "time", else tuples as _COLUMNS
    has them. One query.
    """
    # Named apart from the columns, which the sums' conditions are about.
    sums = {f"sum_{name}": each for name, each in measures.items()}
    found = rows.order_by().values_list(*_group(question)).annotate(**sums)
    width, by_time = len(measures), question.by == "time"
    return {
        row[0] if by_time else row[:-width]: Counter(
            {name: value or 0 for name, value in zip(measures, row[-width:], strict=True)}
        )
        for row in found
    }


def _group(question: Question) -> list[Any]:
    """The columns by which a question groups."""
    if question.by == "time":
        return [part_of("hour", grain=question.grain, zone=question.span.zone)]
    return [*_COLUMNS[question.by]]


def merged(*each: Sums) -> dict[Any, Counter[str]]:
    """Several sums by the same keys. Their names differ."""
    together: dict[Any, Counter[str]] = defaultdict(Counter)
    for sums in each:
        for key, counted in sums.items():
            together[key].update(counted)
    return together


def total(sums: Sums) -> Counter[str]:
    """The sums of all groups together."""
    together: Counter[str] = Counter()
    for counted in sums.values():
        together.update(counted)
    return together


def in_order(sums: Sums, question: Question, *, largest: str) -> tuple[list[Any], bool]:
    """The keys as a table lists them, and whether some are left out: every part of the span, or
    the groups with the largest sums first.
    """
    if question.by == "time":
        return list(question.span.parts(question.grain)), False
    keys = sorted(sums, key=lambda key: (-sums[key][largest], str(key)))
    kept = keys[: question.most]
    return kept, len(kept) < len(keys)


def key_columns(question: Question, titles: Mapping[str, str]) -> list[ReportColumn]:
    """The columns that name a row."""
    first = ReportColumn(
        titles[question.by], CellKind.DAY if question.by == "time" else CellKind.TEXT
    )
    if question.by in {"company", "product"}:
        code = ReportColumn(titles[f"{question.by}_code"], CellKind.CODE)
        return [code, first]
    return (
        [first, ReportColumn(titles["company"], CellKind.TEXT)]
        if question.by == "seat"
        else [first]
    )


def key_row(question: Question, key: Any, values: Iterable[Any]) -> ReportRow:
    """A row: what names it, its values, and how to ask about it alone."""
    names, asks = _key_told(question, key)
    return ReportRow([*names, *values], asks)


def _key_told(question: Question, key: Any) -> tuple[list[Any], dict[str, str]]:
    """What names a row, and the parameters that ask about it alone."""
    by = question.by
    if by == "time":
        return [PartDay(key, question.grain)], {}
    if by == "tier":
        return [str(TierLevel(key[0]).label)], {by: key[0], "by": "time"}
    if by == "category":
        return [key[1]], {by: key[0], "by": "product"}
    if by in {"company", "product"}:
        return [*key], {by: key[0], "by": "time"}
    person, name, email, *company = key
    return [name or email, *company], {"seat": str(person), "by": "time"} if by == "seat" else {}


class PartDay(date):
    """The first day of a part of the span, which reads as the part."""

    grain: str

    def __new__(cls, day: date, grain: str) -> "PartDay":
        made = super().__new__(cls, day.year, day.month, day.day)
        made.grain = grain
        return made

    def __str__(self) -> str:
        return part_told(self, self.grain)


def counted_until() -> datetime | None:
    """Until when the figures know all events. None: nothing is counted yet."""
    marks = FiguresMark.objects.using(reporting())
    return marks.values_list("counted_until", flat=True).first()


def summed_by_bucket(rows: QuerySet[Any], question: Question) -> dict[Any, dict[str, Counter[int]]]:
    """How often each stage took a time in each bucket, in groups as `summed` has them."""
    columns = [*_group(question), "stage", "bucket"]
    found = rows.order_by().values_list(*columns).annotate(n=Sum("times"))
    counts: dict[Any, dict[str, Counter[int]]] = defaultdict(lambda: defaultdict(Counter))
    for *key, stage, bucket, times in found:
        counts[key[0] if question.by == "time" else tuple(key)][stage][bucket] += times
    return counts
