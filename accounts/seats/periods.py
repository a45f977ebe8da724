"""Months and quarters as a company's calendar has them, for its limits of points."""

from datetime import date, datetime, time
from typing import NamedTuple

from django.utils.formats import date_format

from accounts.models import Company, programme_zone
from loyalty_portal.data.zones import is_zone, local_day, local_moment


class LimitPeriod(NamedTuple):
    """A span of time: from `start`, until before `end`. `end` is when a limit renews; `renews` is
    that day in the company's time zone.
    """

    start: datetime
    end: datetime
    renews: date

    @property
    def renews_told(self) -> str:
        """The day of the renewal, as the reader's language writes it."""
        return date_format(self.renews, "DATE_FORMAT")


def zone_of(company: Company) -> str:
    """The company's time zone, or the programme's where that one no longer exists."""
    return company.time_zone if is_zone(company.time_zone) else programme_zone()


def month_of(company: Company, at: datetime) -> LimitPeriod:
    """The calendar month in which this moment is, where the company is."""
    return _span(company, at, months=1)


def quarter_of(company: Company, at: datetime) -> LimitPeriod:
    """The calendar quarter in which this moment is, where the company is."""
    return _span(company, at, months=3)


def _span(company: Company, at: datetime, *, months: int) -> LimitPeriod:
    zone = zone_of(company)
    day = local_day(at, zone)
    first = date(day.year, day.month - (day.month - 1) % months, 1)
    past = first.month - 1 + months
    renews = date(first.year + past // 12, past % 12 + 1, 1)
    start, end = (local_moment(each, time.min, zone) for each in (first, renews))
    return LimitPeriod(start, end, renews)
