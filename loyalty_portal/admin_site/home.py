"""The admin's first page: what waits for the person who opens it.

Rooms add to it by a function that `settings.HOME_CARDS` names (configuration/wiring.py). Such a
function takes the request and yields cards, lists and charts, only those that the person may see.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from loyalty_portal.admin_site.counts import told
from loyalty_portal.fastpath.together import read_together

SHOWN = 6  # rows of each list


@dataclass(frozen=True, slots=True)
class HomeCard:
    """A number with a link. `job` is the heading under which it stands, `tone` that of a badge."""

    job: str
    title: str
    number: int
    says: str
    href: str
    icon: str
    tone: str

    @property
    def shown(self) -> str:
        return told(self.number)

    @property
    def shown_tone(self) -> str:
        return self.tone if self.number else "ok"


@dataclass(frozen=True, slots=True)
class HomeLine:
    """A row of a list. `end` stands at its right: an age, a person, a promise."""

    href: str
    name: object
    more: str = ""
    end: object = ""


@dataclass(frozen=True, slots=True)
class ShownList:
    """What waits, the most urgent first. `empty`: the sentence when nothing does.

    `more`: how many more there are, at `href`. `key`: the list's anchor, "" for none.
    """

    title: str
    lines: list[HomeLine]
    empty: str
    more: int = 0
    href: str = ""
    key: str = ""

    @property
    def more_told(self) -> str:
        return told(self.more) if self.more > 0 else ""


@dataclass(frozen=True, slots=True)
class WorkList:
    """A list to show. The rows of all lists are read together, and `lines` gets its own. `number`:
    how many wait.
    """

    title: str
    rows: QuerySet[Any]
    lines: Callable[[list[Any]], list[HomeLine]]
    empty: str
    number: int
    href: str
    key: str = ""

    def shown(self, rows: list[Any]) -> ShownList:
        lines = self.lines(rows)
        more = self.number - len(lines)
        return ShownList(self.title, lines, self.empty, more, self.href, self.key)


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a chart. The drawing has a height of 100."""

    day: date
    number: int
    left: float
    height: float

    @property
    def top(self) -> float:
        return 100 - self.height


BAR_WIDTH, BAR_STEP = 8, 10  # of the drawing


@dataclass(frozen=True, slots=True)
class Chart:
    """A number for each day, as bars with the table behind them. `unit`: what is counted."""

    title: str
    unit: str
    bars: list[Bar]
    href: str = ""

    @classmethod
    def of(cls, title: str, unit: str, days: Iterable[tuple[date, int]], href: str = "") -> "Chart":
        found = list(days)
        highest = max((number for _day, number in found), default=0) or 1
        bars = [
            Bar(day, number, left=place * BAR_STEP, height=round(100 * number / highest, 1))
            for place, (day, number) in enumerate(found)
        ]
        return cls(title, unit, bars, href)

    @property
    def width(self) -> int:
        return max(1, len(self.bars)) * BAR_STEP

    @property
    def bar_width(self) -> int:
        return BAR_WIDTH

    @property
    def total(self) -> int:
        return sum(bar.number for bar in self.bars)


Part = HomeCard | WorkList | Chart
Provider = Callable[[HttpRequest], Iterable[Part]]


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the parts of all providers to the context of the first page."""
    groups: dict[str, list[HomeCard]] = {}
    lists: list[WorkList] = []
    charts: list[Chart] = []
    for part in _parts(request):
        if isinstance(part, HomeCard):
            groups.setdefault(part.job, []).append(part)
        elif isinstance(part, WorkList):
            lists.append(part)
        else:
            charts.append(part)
    read = zip(lists, read_together(*(each.rows for each in lists)), strict=True)
    return {
        **context,
        "title": _("What waits"),
        "groups": list(groups.items()),
        "lists": [each.shown(rows) for each, rows in read],
        "charts": charts,
        "may_nothing": not request.user.get_all_permissions(),
    }


def _parts(request: HttpRequest) -> Iterator[Part]:
    for name in settings.HOME_CARDS:
        provider: Provider = import_string(name)
        yield from provider(request)
