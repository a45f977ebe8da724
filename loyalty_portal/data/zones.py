"""Time zones by their IANA names, such as Europe/Berlin, and moments by the local time of one."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

# Files of the database that are no zones of a place.
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})


@cache
def zone_names() -> tuple[str, ...]:
    """The names of all known zones, in alphabetical order."""
    return tuple(sorted(available_timezones() - _NO_PLACES))


@cache
def zones_by_region() -> dict[str, list[tuple[str, str]]]:
    """Each zone and the name of its place, by the part of the world that its name begins with.

    Names without one, such as UTC, come last.
    """
    regions: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(zone_names(), key=lambda each: ("/" not in each, each)):
        region, slash, place = name.partition("/")
        entry = (name, place.replace("_", " ")) if slash else (name, name)
        regions.setdefault(region if slash else "–", []).append(entry)
    return regions


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(zone_names())


def is_zone(name: str) -> bool:
    """Whether there is a zone of this name."""
    return name in _known_zones()


def checked_zone(name: str) -> None:
    """Raise ValidationError unless there is a zone of this name."""
    if not is_zone(name):
        raise ValidationError(
            _("“%(name)s” is no time zone. Choose one such as Europe/Berlin.") % {"name": name}
        )


def local_moment(day: date, at: time, zone: str) -> datetime:
    """The moment, in UTC, when clocks in the zone show `at` on `day`.

    A time that the clocks skip counts as the same time after the gap: 02:30 becomes 03:30. Of one
    that they show twice it is the first.
    """
    return datetime.combine(day, at, ZoneInfo(zone)).astimezone(UTC)


def local_day(moment: datetime, zone: str) -> date:
    """The day that a calendar in the zone shows at this moment."""
    return moment.astimezone(ZoneInfo(zone)).date()


_FRIDAY = 4  # as date.weekday() counts


def next_working_day(moment: datetime, zone: str) -> datetime:
    """The moment, in UTC, at the same local time on the next day from Monday to Friday."""
    local = moment.astimezone(ZoneInfo(zone))
    return local_moment(working_days_after(local.date(), 1), local.time(), zone)


def working_days_after(day: date, days: int) -> date:
    """The day so many days from Monday to Friday after this one. It knows no holidays."""
    for _number in range(days):
        day += timedelta(days=1)
        while day.weekday() > _FRIDAY:
            day += timedelta(days=1)
    return day
