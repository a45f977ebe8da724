"""Time zones by name, and moments by the local time of one."""

from datetime import UTC, date, datetime, time

import pytest
from django.core.exceptions import ValidationError

from loyalty_portal.data.zones import checked_zone, local_day, local_moment, zone_names


@pytest.mark.parametrize(
    ("day", "at", "zone", "moment"),
    [
        ("2026-12-12", "09:00", "Europe/Berlin", "2026-12-12T08:00"),
        ("2026-07-01", "09:00", "Europe/Berlin", "2026-07-01T07:00"),
        # the days on which the clocks change
        ("2026-03-29", "09:00", "Europe/Berlin", "2026-03-29T07:00"),
        ("2026-10-25", "09:00", "Europe/Berlin", "2026-10-25T08:00"),
        # skipped: as late after the gap as it would have been
        ("2026-03-29", "02:30", "Europe/Berlin", "2026-03-29T01:30"),
        # shown twice: the first
        ("2026-10-25", "02:30", "Europe/Berlin", "2026-10-25T00:30"),
        # Samoa left out the 30th of December: what was due then is due when it would have been
        ("2011-12-30", "09:00", "Pacific/Apia", "2011-12-30T19:00"),
        ("2026-12-12", "09:00", "Pacific/Kiritimati", "2026-12-11T19:00"),
    ],
)
def test_a_local_time_is_a_moment(day: str, at: str, zone: str, moment: str) -> None:
    found = local_moment(date.fromisoformat(day), time.fromisoformat(at), zone)
    assert found == datetime.fromisoformat(moment).replace(tzinfo=UTC)


def test_the_day_is_that_of_the_zone() -> None:
    evening = datetime(2026, 12, 11, 20, tzinfo=UTC)
    assert local_day(evening, "Pacific/Kiritimati") == date(2026, 12, 12)
    assert local_day(evening, "America/New_York") == date(2026, 12, 11)


@pytest.mark.parametrize("name", ["", "Berlin", "Europe/berlin", "../etc/passwd", "Factory", "\0"])
def test_what_is_no_zone_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        checked_zone(name)
    checked_zone("Europe/Berlin")
    assert "Factory" not in zone_names()
