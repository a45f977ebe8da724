"""All reports, by the name in their address."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.tables.tables import ReportPage
from redemption.analytics.questions import Question
from redemption.analytics.reports import desk, looked_at, outcomes, points, redeemed, stock, times

_WHO = ("company", "tier", "seat")
_WHAT = ("category", "product")


@dataclass(frozen=True, slots=True)
class ReportKind:
    """A report: what it says, how its rows may be grouped, and what it can be narrowed to.

    `by` is empty for a report that is not grouped and has no parts of time.
    """

    name: str
    title: Promise
    about: Promise
    icon: str
    answer: Callable[[Question], ReportPage]
    by: tuple[str, ...]
    filters: tuple[str, ...]


_ALL = (
    ReportKind(
        "redeemed",
        _("Redemptions"),
        _("Orders, the points redeemed with them, and the average order."),
        "redeem",
        redeemed.answer,
        ("time", *_WHO, *_WHAT),
        (*_WHO, *_WHAT),
    ),
    ReportKind(
        "outcomes",
        _("How orders end"),
        _("Orders that were refused, not approved or cancelled, and lines that failed, with why."),
        "rule",
        outcomes.answer,
        ("time", "company", "tier", "seat"),
        _WHO,
    ),
    ReportKind(
        "times",
        _("Times"),
        _("How long it takes to confirm an order, to ship and to deliver a line."),
        "timer",
        times.answer,
        ("time", "product", "person"),
        ("product",),
    ),
    ReportKind(
        "points",
        _("Points"),
        _("Points taken and given back, as in the partner's statement, and what is open now."),
        "swap_vert",
        points.answer,
        ("time", "company", "tier"),
        ("company", "tier"),
    ),
    ReportKind(
        "stock",
        _("Stock turns"),
        _("How fast stock is sent out, and what lies there unmoved."),
        "shelves",
        stock.answer,
        (),
        _WHAT,
    ),
    ReportKind(
        "looked-at",
        _("Looked at"),
        _("Products whose pages people opened, and which of them nobody redeemed."),
        "visibility",
        looked_at.answer,
        ("product", "category"),
        (*_WHO, *_WHAT),
    ),
    ReportKind(
        "desk",
        _("Desk"),
        _("What was packed, sent, delivered and given up, by each person."),
        "inventory_2",
        desk.answer,
        ("time", "person"),
        (),
    ),
)
REPORTS: Mapping[str, ReportKind] = {report.name: report for report in _ALL}
