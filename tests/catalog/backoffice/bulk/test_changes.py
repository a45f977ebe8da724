"""What a bulk edit makes of one product."""

import pytest

from catalog.backoffice.bulk.changes import MOST_POINTS, edited, repriced
from catalog.models import Product


@pytest.mark.parametrize(
    ("points", "percent", "rounding", "to", "new"),
    [
        (1799, "10", "nearest", 1, 1979),  # 1978.9
        (1799, "10", "up", 10, 1980),
        (1799, "10", "down", 100, 1900),
        (1799, "-5.5", "nearest", 10, 1700),  # 1700.055
        (150, "0", "nearest", 100, 200),  # half up
        (100, "0", "up", 100, 100),
        (1, "-50", "down", 1, 0),
        (333_333_333, "0.01", "nearest", 1, 333_366_666),  # exact, unlike with floating point
    ],
)
def test_points_change_by_percent_and_become_a_multiple(
    points: int, percent: str, rounding: str, to: int, new: int
) -> None:
    assert repriced(points, percent=percent, round=rounding, to=to) == new


def test_a_product_that_would_cost_nothing_or_too_much_is_skipped_and_says_so() -> None:
    cheap, dear = Product(points_cost=4), Product(points_cost=MOST_POINTS - 1)
    rule = {"round": "down", "to": 10}
    assert "would cost 0 points" in edited(cheap, {"points": {"percent": "10", **rule}}).skipped
    assert "2,147,483,647" in edited(dear, {"points": {"percent": "10", **rule}}).skipped


def test_only_what_differs_is_a_change_and_no_window_ends_before_it_begins() -> None:
    product = Product(points_cost=100, is_active=True, minimum_tier="GOLD")
    assert edited(product, {"is_active": True, "minimum_tier": "SILVER"}).columns == {
        "minimum_tier": "SILVER"
    }
    product.available_from = None
    window = {
        "available_from": "2026-05-01T00:00:00+00:00",
        "available_until": "2026-04-01T00:00:00+00:00",
    }
    assert "end before it begins" in edited(product, window).skipped
    assert edited(product, {"available_from": None}).columns == {}
