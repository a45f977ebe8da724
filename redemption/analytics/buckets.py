"""The fixed buckets of durations. A quantile is exact to its bucket."""

from bisect import bisect_left
from collections.abc import Mapping

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
# Upper bounds in seconds. Stored rows name a bound by its place, so new ones may only be added at
# the end, and `rebuild_figures` has to run after any other change.
BOUNDS = (
    *(1, 2, 3, 5, 7, 10, 15, 20, 30, 45),
    *(_MINUTE * n for n in (1, 2, 3, 5, 7, 10, 15, 20, 30, 45)),
    *(_HOUR * n for n in (1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 21)),
    *(_DAY * n for n in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 10, 14, 21, 30, 60, 90)),
)


def bucket_of(seconds: float) -> int:
    """The place of the lowest bound that is not below `seconds`; len(BOUNDS) when all are."""
    return bisect_left(BOUNDS, seconds)


def quantile(counts: Mapping[int, int], percent: int) -> float | None:
    """The upper bound, in seconds, of the bucket that has the duration which `percent` of all do
    not exceed. None without any; infinity when it lies above the highest bound.
    """
    total = sum(counts.values())
    if not total:
        return None
    wanted = -(-total * percent // 100)  # the nearest rank, rounded up
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return BOUNDS[bucket] if bucket < len(BOUNDS) else float("inf")
    return None
