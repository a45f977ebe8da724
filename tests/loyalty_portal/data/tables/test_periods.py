"""Periods by which the list of orders can be filtered."""

import time_machine

from loyalty_portal.data.tables.periods import on_offer, period


@time_machine.travel("2026-01-15T12:00:00Z", tick=False)
def test_days_months_and_years_are_on_offer_the_nearest_first() -> None:
    values = [each.value for each in on_offer()]
    assert values[:4] == ["7d", "30d", "2026-01", "2025-12"]
    assert values[-5:] == ["2025-03", "2025-02", "2026", "2025", "2024"]
    assert [str(each.label) for each in on_offer()][:3] == [
        "Last 7 days",
        "Last 30 days",
        "January 2026",
    ]


@time_machine.travel("2026-01-15T12:00:00Z", tick=False)
def test_a_period_reaches_from_midnight_to_midnight() -> None:
    said = {
        value: (found.since.isoformat()[:10], found.until and found.until.isoformat()[:10])
        for value in ("7d", "30d", "2025-12", "2024-02", "2025")
        if (found := period(value))
    }
    assert said == {
        "7d": ("2026-01-09", None),
        "30d": ("2025-12-17", None),
        "2025-12": ("2025-12-01", "2026-01-01"),
        "2024-02": ("2024-02-01", "2024-03-01"),
        "2025": ("2025-01-01", "2026-01-01"),
    }


def test_anything_else_is_no_period() -> None:
    for odd in ("", "8d", "2025-13", "2025-00", "0000", "9999", "2025-1", "٢٠٢٥", "2025\n"):
        assert period(odd) is None
