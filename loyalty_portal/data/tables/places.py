"""Where a page of a list ends that is sorted by a time and then by key, so that the next page can
begin there without counting.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils.dateparse import parse_datetime


class Place(NamedTuple):
    """The time and the key of the last row of a page. As a text, `time~key`, it fits an address."""

    at: datetime
    key: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.key}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """The place that a text names; None for the first page, and for what names none."""
        at, _sign, key = text.partition("~")
        try:
            moment, found = parse_datetime(at), UUID(key)
        except ValueError:
            return None
        return cls(moment, found) if moment and moment.tzinfo else None

    def later(self, column: str) -> Q:
        """Rows after this place in a list that is sorted upwards by `column` and the key."""
        beyond = Q(**{f"{column}__gt": self.at}) | Q(**{column: self.at, "pk__gt": self.key})
        return beyond & Q(**{f"{column}__gte": self.at})  # a bound that an index can begin at

    def earlier(self, column: str) -> Q:
        """Rows after this place in a list that is sorted downwards by `column` and the key."""
        beyond = Q(**{f"{column}__lt": self.at}) | Q(**{column: self.at, "pk__lt": self.key})
        return beyond & Q(**{f"{column}__lte": self.at})
