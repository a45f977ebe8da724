"""How a moment is said: exactly, with its zone, or by how long ago it was."""

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext_lazy

MINUTE = 60  # seconds; what is younger is “now”
# As static/js/portal.js says it, so that a page never says one thing and then another.
_UNITS = (
    (31_536_000, ngettext_lazy("%(n)s year ago", "%(n)s years ago", "n")),
    (2_592_000, ngettext_lazy("%(n)s month ago", "%(n)s months ago", "n")),
    (604_800, ngettext_lazy("%(n)s week ago", "%(n)s weeks ago", "n")),
    (86_400, ngettext_lazy("%(n)s day ago", "%(n)s days ago", "n")),
    (3_600, ngettext_lazy("%(n)s hour ago", "%(n)s hours ago", "n")),
    (MINUTE, ngettext_lazy("%(n)s minute ago", "%(n)s minutes ago", "n")),
)


def exact(at: datetime, *, seconds: bool = False) -> str:
    """Such as “Nov. 26, 2026, 14:09 CET”; by the locale, in the time zone that is active."""
    local = timezone.localtime(at)
    clock = f"{local:%H:%M:%S}" if seconds else f"{local:%H:%M}"
    return f"{date_format(local, 'DATE_FORMAT')}, {clock} {local.tzname()}"


def age(at: datetime, now: datetime) -> int:
    """Whole seconds since then; 0 for what a clock that is ahead puts into the future."""
    return max(0, int((now - at).total_seconds()))


def ago(at: datetime, now: datetime) -> str:
    """In the largest unit that fits, cut off."""
    seconds = age(at, now)
    for size, words in _UNITS:
        if seconds >= size:
            return str(words % {"n": seconds // size})
    return _("now")
