"""Formats times: exactly with the time zone, or as an age."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

MINUTE = 60  # seconds; a younger time is shown as “now”
# static/js/portal.js uses the same words, so that an updated page does not change its style.
_UNITS = (
    (31_536_000, ngettext_lazy("%(n)s year ago", "%(n)s years ago", "n")),
    (2_592_000, ngettext_lazy("%(n)s month ago", "%(n)s months ago", "n")),
    (604_800, ngettext_lazy("%(n)s week ago", "%(n)s weeks ago", "n")),
    (86_400, ngettext_lazy("%(n)s day ago", "%(n)s days ago", "n")),
    (3_600, ngettext_lazy("%(n)s hour ago", "%(n)s hours ago", "n")),
    (MINUTE, ngettext_lazy("%(n)s minute ago", "%(n)s minutes ago", "n")),
)


def exact(at: datetime, *, seconds: bool = False, zone: str = "") -> str:
    """Format as “Nov. 26, 2026, 14:09 CET” in the current locale, in this time zone ("": the
    current one).
    """
    local = timezone.localtime(at, ZoneInfo(zone) if zone else None)
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return f"{date_format(local, 'DATE_FORMAT')}, {clock} {local.tzname()}"


def rfc3339(at: datetime) -> str:
    """A time as others' systems read it: in UTC, with `Z`."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def midnight(day: date) -> datetime:
    """The moment at which a day begins in the current time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))


def age(at: datetime, now: datetime) -> int:
    """Whole seconds from `at` to `now`; 0 if `at` is later, as after clock differences."""
    return max(0, int((now - at).total_seconds()))


def ago(at: datetime, now: datetime) -> str:
    """The age in the largest fitting unit, rounded down."""
    seconds = age(at, now)
    for size, words in _UNITS:
        if seconds >= size:
            return str(words % {"n": seconds // size})
    return _("now")
