"""Updates of the busiest requests: the SQL is compiled once for each set of columns.

Queries and inserts are in sql.py.
"""

import functools
from collections.abc import Mapping
from typing import Any

from django.db import connection, models
from django.db.models import Q
from django.db.models.sql import UpdateQuery

from loyalty_portal.fastpath.sql import prepared_cursor

_EACH = object()  # placeholder for a value that each call brings
_ALWAYS = Q()


def update(
    model: type[models.Model],
    where: Mapping[str, Any],
    changes: Mapping[str, Any],
    *,
    also: Q = _ALWAYS,
) -> int:
    """Do what `filter(also, **where).update(**changes)` does; returns the number of rows.

    `where` compares with plain values only. `also`, and expressions in `changes`, become part of
    the SQL text, which is cached: they must be the same from call to call.
    """
    fixed = tuple((name, value if _is_text(value) else _EACH) for name, value in changes.items())
    sql, known = _made(model, tuple(where), fixed, also)
    new = [_new(model, name, value) for name, value in changes.items() if not _is_text(value)]
    given = iter([*new, *where.values()])
    with prepared_cursor() as cursor:
        cursor.execute(sql, [next(given) if each is _EACH else each for each in known])
        return int(cursor.rowcount)


def _is_text(value: Any) -> bool:
    return value is None or hasattr(value, "resolve_expression")


def _new(model: type[models.Model], name: str, value: Any) -> Any:
    """As the database wants it."""
    field: Any = model._meta.get_field(name)
    if isinstance(value, models.Model):
        value = value.prepare_database_save(field)
    return field.get_db_prep_save(value, connection)


@functools.lru_cache(maxsize=256)
def _made(
    model: type[models.Model],
    where: tuple[str, ...],
    changes: tuple[tuple[str, Any], ...],
    also: Q,
) -> tuple[str, list[Any]]:
    """The statement, and its parameters with `_EACH` for those that each call brings."""
    query = UpdateQuery(model)
    compiler: Any = query.get_compiler(connection=connection)
    quote = connection.ops.quote_name
    known: list[Any] = []

    def column(name: str) -> str:
        own: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
        return quote(own.column)

    def text(value: Any) -> str:
        sql, params = "%s", (_EACH,)
        if value is None:
            return "NULL"
        if value is not _EACH:
            sql, params = compiler.compile(value.resolve_expression(query))
        known.extend(params)
        return sql

    sets = [f"{column(name)} = {text(value)}" for name, value in changes]
    conditions = [f"{column(name)} = {text(_EACH)}" for name in where]
    if also:
        conditions.append(text(also))
    table = quote(model._meta.db_table)
    return f"UPDATE {table} SET {', '.join(sets)} WHERE {' AND '.join(conditions)}", known  # noqa: S608
