"""The words of tables that several reports share."""

from collections.abc import Mapping
from typing import cast

from django.utils.translation import gettext_lazy as _

from loyalty_portal.data.tables.tables import ReportColumn
from redemption.analytics.questions import Question
from redemption.analytics.selectors import key_columns

TITLES: Mapping[str, str] = cast(
    "Mapping[str, str]",
    {
        "time": _("From"),
        "company": _("Company"),
        "company_code": _("Loyalty account"),
        "tier": _("Tier"),
        "seat": _("Account manager"),
        "category": _("Category"),
        "product": _("Product"),
        "product_code": _("SKU"),
        "person": _("Person"),
    },
)
# The choices of how a report is grouped.
BY: Mapping[str, str] = cast(
    "Mapping[str, str]",
    {
        "time": _("day, week or month"),
        "company": _("company"),
        "tier": _("tier"),
        "seat": _("account manager"),
        "category": _("category"),
        "product": _("product"),
        "person": _("person"),
    },
)
GRAIN_TITLES: Mapping[str, str] = cast(
    "Mapping[str, str]", {"day": _("By day"), "week": _("By week"), "month": _("By month")}
)


def names(question: Question) -> list[ReportColumn]:
    """The columns that name a row."""
    return key_columns(question, TITLES)


def table_title(question: Question) -> str:
    """What the rows are."""
    if question.by == "time":
        return str(GRAIN_TITLES[question.grain])
    return str(TITLES[question.by])
