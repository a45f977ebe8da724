"""Several queries in one message to the database, for pages that are made of many small lists."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet

from loyalty_portal.fastpath.sql import row_maker

Rows = list[Any]


class _Statement(NamedTuple):
    text: str
    params: tuple[Any, ...]
    made: Callable[[Rows], Rows]  # the model instances of the fetched rows


def read_together(*lists: QuerySet[Any]) -> list[Rows]:
    """The rows of each queryset, read by one round trip. `select_related` works; prefetching and
    `values` do not. What can have no rows is not asked for.

    With FASTPATH=false each queryset is read by itself.
    """
    if not settings.FASTPATH:
        return [list(rows) for rows in lists]
    statements = [_statement(rows) for rows in lists]
    asked = [each for each in statements if each]
    fetched = iter(_fetched(asked))
    return [each.made(next(fetched)) if each else [] for each in statements]


def _statement(rows: QuerySet[Any]) -> _Statement | None:
    compiler: Any = rows.query.get_compiler(connection=connection)
    try:
        text, params = compiler.as_sql()
    except EmptyResultSet:
        return None
    make = row_maker(compiler)
    converters = compiler.get_converters([column[0] for column in compiler.select])

    def made(found: Rows) -> Rows:
        if converters:
            found = compiler.apply_converters(found, converters)
        return [make(row) for row in found]

    return _Statement(text, tuple(params), made)


def _fetched(asked: list[_Statement]) -> list[Rows]:
    """The rows of each statement. The cursor writes the parameters into the text, so PostgreSQL
    takes several statements at once.
    """
    if not asked:
        return []
    params = [param for each in asked for param in each.params]
    found = []
    with connection.cursor() as cursor:
        cursor.execute(";\n".join(each.text for each in asked), params)
        # Counted from the end: the history of staff changes may put a statement before them, and
        # goes to the last result.
        for place in range(-len(asked), 0):
            cursor.set_result(place)
            found.append(cursor.fetchall())
    return found
