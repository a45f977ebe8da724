"""The values that the filter of a list offers."""

from typing import NamedTuple


class FilterOption(NamedTuple):
    """One value of a filter."""

    value: str
    label: str
    chosen: bool
