"""The days of reports are those of the programme's time zone."""

from datetime import UTC, date, datetime, timedelta

import pytest

from loyalty_portal.data.tables.spans import Span, preset_span

BERLIN = "Europe/Berlin"
TODAY = date(2026, 11, 27)


def test_a_day_with_a_clock_change_has_as_many_hours_as_it_has() -> None:
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (TODAY, 24)):
        span = Span(day, day, BERLIN)
        assert span.end - span.start == timedelta(hours=hours), day


def test_a_month_begins_and_ends_at_midnight_of_the_zone() -> None:
    october = Span(date(2026, 10, 1), date(2026, 10, 31), BERLIN)
    assert october.start == datetime(2026, 9, 30, 22, tzinfo=UTC)
    assert october.end == datetime(2026, 10, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "last", "before"),
    [
        ((2026, 11, 1), (2026, 11, 30), ((2026, 10, 1), (2026, 10, 31))),
        ((2026, 3, 1), (2026, 3, 31), ((2026, 2, 1), (2026, 2, 28))),
        ((2026, 1, 1), (2026, 12, 31), ((2025, 1, 1), (2025, 12, 31))),
        ((2026, 11, 20), (2026, 11, 26), ((2026, 11, 13), (2026, 11, 19))),
        ((2026, 11, 1), (2026, 11, 27), ((2026, 10, 5), (2026, 10, 31))),
    ],
)
def test_whole_months_are_compared_with_whole_months_and_days_with_as_many_days(
    first: tuple[int, int, int],
    last: tuple[int, int, int],
    before: tuple[tuple[int, int, int], ...],
) -> None:
    found = Span(date(*first), date(*last), BERLIN).before()
    assert (found.first, found.last) == tuple(date(*day) for day in before)


def test_presets_are_whole_days_months_and_years() -> None:
    spans = {
        name: preset_span(name, TODAY, BERLIN)
        for name in ("7d", "month", "last_month", "year", "last_year")
    }
    assert [(str(span.first), str(span.last)) for span in spans.values()] == [
        ("2026-11-20", "2026-11-26"),
        ("2026-11-01", "2026-11-27"),
        ("2026-10-01", "2026-10-31"),
        ("2026-01-01", "2026-11-27"),
        ("2025-01-01", "2025-12-31"),
    ]


def test_each_part_of_a_span_is_there_once_also_over_years() -> None:
    ten_years = Span(date(2016, 11, 27), TODAY, BERLIN)
    assert ten_years.grain() == "month"
    assert len(list(ten_years.parts("month"))) == 121
    assert not ten_years.allows("day")
    week = list(Span(date(2026, 11, 25), date(2026, 12, 1), BERLIN).parts("week"))
    assert week == [date(2026, 11, 23), date(2026, 11, 30)]
