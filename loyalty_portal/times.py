"""How a moment is said: exactly, with its zone, in the zone of whoever looks."""

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format


def exact(at: datetime) -> str:
    """Such as “Nov. 26, 2026, 14:09 CET”; by the locale, in the time zone that is active."""
    local = timezone.localtime(at)
    return f"{date_format(local, 'DATETIME_FORMAT')} {local.tzname()}"
