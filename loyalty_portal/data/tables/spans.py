"""The days of a report, in the programme's time zone, and how they are grouped."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import DateField
from django.db.models.functions import TruncDay, TruncMonth, TruncWeek
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from loyalty_portal.data.zones import local_moment

DAY = timedelta(days=1)
MOST_DAYS = 20 * 366
# The most days that are shown day by day, and week by week.
MOST_AS_DAYS, MOST_AS_WEEKS = 92, 732
GRAINS = ("day", "week", "month")
_TRUNCATED: dict[str, Any] = {"day": TruncDay, "week": TruncWeek, "month": TruncMonth}


@dataclass(frozen=True, slots=True)
class Span:
    """The days from `first` to `last`, both included, as calendars in `zone` have them."""

    first: date
    last: date
    zone: str

    @property
    def days(self) -> int:
        return (self.last - self.first) // DAY + 1

    @property
    def start(self) -> datetime:
        """The moment at which the first day begins."""
        return local_moment(self.first, time.min, self.zone)

    @property
    def end(self) -> datetime:
        """The moment at which the last day is over."""
        return local_moment(self.last + DAY, time.min, self.zone)

    @property
    def told(self) -> str:
        """The days in words."""
        first, last = (date_format(day, "DATE_FORMAT") for day in (self.first, self.last))
        return first if first == last else f"{first} – {last}"

    def before(self) -> "Span":
        """As many months before, where these are whole months; else as many days before."""
        last = self.first - DAY
        if self.first.day == 1 and (self.last + DAY).day == 1:
            first = self.first
            for _month in range(_months(self.first, self.last)):
                first = (first - DAY).replace(day=1)
            return Span(first, last, self.zone)
        return Span(self.first - DAY * self.days, last, self.zone)

    def grain(self, wanted: str = "") -> str:
        """The grain to group by: the wanted one, or the finest that stays readable."""
        if wanted:
            return wanted
        if self.days <= MOST_AS_DAYS:
            return "day"
        return "week" if self.days <= MOST_AS_WEEKS else "month"

    def allows(self, grain: str) -> bool:
        """Whether the report stays readable with this grain."""
        most = {"day": 4 * MOST_AS_DAYS, "week": 4 * MOST_AS_WEEKS, "month": MOST_DAYS}
        return self.days <= most[grain]

    def parts(self, grain: str) -> Iterator[date]:
        """The first day of each day, week (from Monday) or month that the span touches."""
        day = beginning(self.first, grain)
        while day <= self.last:
            yield day
            day = _following(day, grain)


def _months(first: date, last: date) -> int:
    return (last.year - first.year) * 12 + last.month - first.month + 1


def beginning(day: date, grain: str) -> date:
    """The first day of the week or month of this day; the day itself for days."""
    if grain == "week":
        return day - DAY * day.weekday()
    return day.replace(day=1) if grain == "month" else day


def _following(day: date, grain: str) -> date:
    if grain == "month":
        return (day + 31 * DAY).replace(day=1)
    return day + (7 * DAY if grain == "week" else DAY)


def part_of(column: str, *, grain: str, zone: str) -> Any:
    """The first local day of the day, week or month in which the moment of a column lies."""
    return _TRUNCATED[grain](column, tzinfo=ZoneInfo(zone), output_field=DateField())


def part_told(day: date, grain: str) -> str:
    """A day, week or month in words."""
    if grain == "month":
        return date_format(day, "YEAR_MONTH_FORMAT")
    told = date_format(day, "DATE_FORMAT")
    return _("Week of %(day)s") % {"day": told} if grain == "week" else told


def preset_span(name: str, today: date, zone: str) -> Span:
    """The days of a preset of the form. Periods of some days end yesterday, so all are whole."""
    this_month = today.replace(day=1)
    last_month = (this_month - DAY).replace(day=1)
    this_year = today.replace(month=1, day=1)
    match name:
        case "month":
            return Span(this_month, today, zone)
        case "last_month":
            return Span(last_month, this_month - DAY, zone)
        case "year":
            return Span(this_year, today, zone)
        case "last_year":
            return Span(this_year.replace(year=today.year - 1), this_year - DAY, zone)
        case _:
            days = int(name.removesuffix("d"))
            return Span(today - DAY * days, today - DAY, zone)
