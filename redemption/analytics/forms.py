"""The filters of a report, which are the parameters of its address."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import AccountManager, Company, TierLevel, programme_zone
from catalog.models import Category, Product
from loyalty_portal.data.one_line import OneLineField
from loyalty_portal.data.tables.spans import GRAINS, MOST_DAYS, Span, preset_span
from loyalty_portal.data.zones import local_day
from redemption.analytics.questions import Question, company_of, product_of, seat_of
from redemption.analytics.reports.registry import ReportKind
from redemption.analytics.reports.titles import BY

PERIODS = (
    ("7d", _("Last 7 days")),
    ("30d", _("Last 30 days")),
    ("90d", _("Last 90 days")),
    ("month", _("This month")),
    ("last_month", _("Last month")),
    ("year", _("This year")),
    ("last_year", _("Last year")),
    ("own", _("From … to …")),
)
DEFAULT_PERIOD = "30d"
_GRAIN_NAMES = {"day": _("Days"), "week": _("Weeks"), "month": _("Months")}
_LONGEST = 255


class ReportForm(forms.Form):
    """Reads a question from an address. Every field may be missing.

    A filter that the report does not know is refused, not ignored: its figures would look as if it
    held.
    """

    period = forms.ChoiceField(
        label=pgettext_lazy("of a report", "Time"), choices=PERIODS, required=False
    )
    since = forms.DateField(label=_("From"), required=False)
    until = forms.DateField(label=_("To, included"), required=False)
    by = forms.ChoiceField(label=_("Rows"), required=False)
    grain = forms.ChoiceField(
        label=_("Grouped by"),
        choices=[("", _("as fits")), *((grain, _GRAIN_NAMES[grain]) for grain in GRAINS)],
        required=False,
    )
    company = OneLineField(
        label=_("Company"),
        max_length=_LONGEST,
        required=False,
        help_text=_("Its name or loyalty account"),
    )
    tier = forms.ChoiceField(
        label=_("Tier"), choices=[("", _("all")), *TierLevel.choices], required=False
    )
    seat = forms.UUIDField(label=_("Account manager"), required=False, widget=forms.HiddenInput)
    category = forms.ModelChoiceField(
        label=_("Category"),
        queryset=Category.objects.all(),
        to_field_name="slug",
        empty_label=_("all"),
        required=False,
    )
    product = OneLineField(
        label=_("Product"), max_length=_LONGEST, required=False, help_text=_("Its SKU")
    )

    def __init__(self, report: ReportKind, data: Any, *, now: Any) -> None:
        given = {name: data[name] for name in data if data[name] != ""}
        given.setdefault("period", "own" if {"since", "until"} & given.keys() else DEFAULT_PERIOD)
        super().__init__(given, auto_id="report-%s")
        self.report = report
        self.today = local_day(now, programme_zone())
        by: Any = self.fields["by"]
        by.choices = [(name, BY[name]) for name in report.by]
        for name in ("company", "tier", "seat", "category", "product"):
            if name not in report.filters and name not in given:
                del self.fields[name]
        if not report.by:
            del self.fields["by"], self.fields["grain"]
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")

    def clean_company(self) -> Company | None:
        text = self.cleaned_data["company"]
        self._known("company")
        try:
            found = company_of(text) if text else None
        except LookupError as error:
            told = gettext("Several companies have this name. Give the loyalty account.")
            raise ValidationError(told) from error
        if text and found is None:
            raise ValidationError(gettext("There is no company with this name or account."))
        return found

    def clean_product(self) -> Product | None:
        sku = self.cleaned_data["product"]
        self._known("product")
        found = product_of(sku) if sku else None
        if sku and found is None:
            raise ValidationError(gettext("There is no product with this SKU."))
        return found

    def clean_seat(self) -> AccountManager | None:
        key: UUID | None = self.cleaned_data["seat"]
        self._known("seat")
        found = seat_of(key) if key else None
        if key and found is None:
            raise ValidationError(gettext("There is no such account manager."))
        return found

    def clean_tier(self) -> str:
        self._known("tier")
        return str(self.cleaned_data["tier"])

    def clean_category(self) -> Category | None:
        self._known("category")
        found: Category | None = self.cleaned_data["category"]
        return found

    def _known(self, name: str) -> None:
        if self.cleaned_data[name] and name not in self.report.filters:
            raise ValidationError(gettext("This report cannot be narrowed to it. Take it out."))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        span = self._span(given)
        if span.days > MOST_DAYS:
            self.add_error("since", gettext("At most 20 years can be asked for at once."))
        elif given.get("grain") and not span.allows(given["grain"]):
            told = gettext("This time is too long for that. Choose weeks or months.")
            self.add_error("grain", told)
        given["span"] = span
        return given

    def _span(self, given: dict[str, Any]) -> Span:
        """The days that are asked for. Reports an error and gives the default when they are no
        days.
        """
        zone = programme_zone()
        default = preset_span(DEFAULT_PERIOD, self.today, zone)
        if given["period"] != "own":
            return preset_span(given["period"], self.today, zone)
        first, last = given.get("since") or default.first, given.get("until") or self.today
        if first > last:
            self.add_error("until", gettext("This day is before the first one."))
            return default
        if last.year >= _LAST_YEAR or first.year < _FIRST_YEAR:
            self.add_error("since", gettext("Give days between the years 2000 and 2199."))
            return default
        return Span(first, last, zone)

    def question(self) -> Question:
        """The question of a valid form."""
        given = self.cleaned_data
        span: Span = given["span"]
        return Question(
            span=span,
            grain=span.grain(given.get("grain", "")),
            by=given.get("by") or next(iter(self.report.by), "time"),
            company=given.get("company"),
            tier=given.get("tier", ""),
            seat=given.get("seat"),
            category=given.get("category"),
            product=given.get("product"),
            asked={name: str(value) for name, value in self.data.items() if name in self.fields},
        )


_FIRST_YEAR, _LAST_YEAR = 2000, 2200
