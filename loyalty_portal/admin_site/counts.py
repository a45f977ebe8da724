"""How much waits for staff: the numbers of the menu, and of the first page.

Rooms tell what waits by a function that `settings.WAITING` names (configuration/wiring.py). Such a
function takes the person, and yields what they may see. The numbers are at most SECONDS old; those
that are older are counted by one statement.
"""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.module_loading import import_string

from loyalty_portal.admin_site.verbs import actor_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.shapes import shape_of
from loyalty_portal.data.texts.numbers import grouped

Value = TypeVar("Value")
SECONDS = 15  # how long a number may be old
MOST = 1_000  # nobody needs to know how many more than these wait


@dataclass(frozen=True, slots=True)
class Waiting:
    """Rows that wait, found by an index. `name` is that of their number. Where not all people see
    the same rows, `seen_by` tells those apart who do not.
    """

    name: str
    rows: QuerySet[Any]
    seen_by: str = ""

    @property
    def key(self) -> str:
        return _key(f"{self.name}:{self.seen_by}", int)


Provider = Callable[[Actor], Iterable[Waiting]]


def briefly(name: str, kind: Hashable, ask: Callable[[], Value]) -> Value:
    """The answer of `ask`, which is a `kind`, at most SECONDS old. The shape of `kind` is a part of
    the key: the version before or after may have another.
    """
    found: Any = cache.get_or_set(_key(name, kind), ask, SECONDS)
    kept: Value = found
    return kept


def waiting_counts(request: HttpRequest) -> dict[str, int]:
    """How many rows of each name wait, at most MOST + 1, for the person of the request."""
    known: dict[str, int] | None = getattr(request, "waiting_counts", None)
    if known is None:
        known = _all_counts(actor_of(request))
        request.waiting_counts = known  # type: ignore[attr-defined]
    return known


def _all_counts(actor: Actor) -> dict[str, int]:
    providers: list[Provider] = [import_string(name) for name in settings.WAITING]
    waiting = [each for provider in providers for each in provider(actor)]
    known = cache.get_many([each.key for each in waiting])
    missing = [each for each in waiting if each.key not in known]
    if missing:
        fresh = dict(zip((each.key for each in missing), _counted(missing), strict=True))
        cache.set_many(fresh, SECONDS)
        known |= fresh
    return {each.name: known[each.key] for each in waiting}


def _counted(waiting: list[Waiting]) -> list[int]:
    """The number of rows of each, by one statement."""
    columns: list[str] = []
    params: list[Any] = []
    for each in waiting:
        rows = each.rows.order_by().values("pk")[: MOST + 1]
        try:
            found, values = rows.query.sql_with_params()
        except EmptyResultSet:
            columns.append("0")
            continue
        columns.append(f"(SELECT count(*) FROM ({found}) AS waiting)")  # noqa: S608 - Django's SQL
        params.extend(values)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)}", params)
        return list(cursor.fetchone())


def _key(name: str, kind: Hashable) -> str:
    return f"waiting:{name}:{shape_of(kind)}"


def told(number: int) -> str:
    """A count in words: "1,000+" for more than that."""
    return f"{grouped(MOST)}+" if number > MOST else grouped(number)


def menu_badge(name: str) -> Callable[[HttpRequest], str]:
    """A function that tells the number of that name for the menu; "" when nothing waits."""

    def shown(request: HttpRequest) -> str:
        number = waiting_counts(request).get(name, 0)
        return told(number) if number else ""

    return shown
