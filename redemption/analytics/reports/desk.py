"""What the desk gets done, in all and by each person."""

from collections import Counter
from typing import Any

from django.db.models import Q, Sum
from django.utils.translation import gettext as _

from fulfillment.states import FulfillmentStatus
from loyalty_portal.data.replica import reporting
from loyalty_portal.data.tables.tables import ReportColumn, ReportPage, ReportTable, ReportTile
from redemption.analytics.questions import Question
from redemption.analytics.reports.titles import names, table_title
from redemption.analytics.selectors import in_order, key_row, merged, summed, total, within
from redemption.models import DeskFigure

_F = FulfillmentStatus
_NOTHING: Counter[str] = Counter()
_STEPS = (_F.PACKED, _F.SHIPPED, _F.DELIVERED, _F.FAILED, _F.RETURNED)


def answer(question: Question) -> ReportPage:
    """How often lines were packed, sent, delivered, given up and taken back."""
    sums = _sums(question)
    now, then = total(sums), total(_sums(question.before()))
    titles = (_("Packed"), _("Sent"), _("Delivered"), _("Could not be supplied"), _("Came back"))
    goods = (1, 1, 1, -1, -1)
    tiles = [
        ReportTile(title, now[str(step)], before=then[str(step)], good=good)
        for title, step, good in zip(titles, _STEPS, goods, strict=True)
    ]
    keys, left_out = in_order(sums, question, largest=str(_F.SHIPPED))
    before = names(question)
    table = ReportTable(
        key="desk",
        title=table_title(question),
        columns=[*before, *(ReportColumn(title) for title in titles)],
        rows=[
            key_row(question, key, [sums.get(key, _NOTHING)[str(step)] for step in _STEPS])
            for key in keys
        ],
        drawn=len(before) + 1,
        is_timeline=question.by == "time",
        left_out=left_out,
        note=_("Lines of orders. Each part of a line that was sent or came back counts."),
    )
    return ReportPage(tiles, [table])


def _sums(question: Question) -> dict[Any, Counter[str]]:
    rows = within(DeskFigure.objects.using(reporting()), question.span)
    steps = {str(step): Sum("lines", filter=Q(step=step)) for step in _STEPS}
    return merged(summed(rows, question, **steps))
