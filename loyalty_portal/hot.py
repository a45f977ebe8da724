"""Queries on the hot path, whose SQL is made once.

Django compiles a queryset or an insert anew each time, which costs several times what the
database does with it. What is read on every page, and what placing an order writes, goes
through here; measured by `make bench`. Models stay the only place that knows the columns.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.models.expressions import DatabaseDefault
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=models.Model)


class Prepared(Generic[Row]):
    """`build(*stand_ins)` compiled at the first call; later calls put their values in instead.

    Each stand-in is a value that occurs nowhere else in the query, of the type that is asked
    with. `select_related` works; prefetching and lookups that change the SQL do not.
    """

    def __init__(self, build: Callable[..., models.QuerySet[Row]], *stand_ins: Any) -> None:
        self._build = build
        self._stand_ins = stand_ins

    @functools.cached_property
    def _plan(self) -> tuple[str, tuple[Any, ...], Callable[[tuple[Any, ...]], Row], Any]:
        compiler: Any = self._build(*self._stand_ins).query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        about, select = compiler.klass_info, compiler.select
        first, last = about["select_fields"][0], about["select_fields"][-1] + 1
        names = [column[0].target.attname for column in select[first:last]]
        # The stubs are of a newer Django, which asks for one thing more.
        populators = get_related_populators(about, select, connection.alias)  # type: ignore[call-arg]

        def make(row: tuple[Any, ...]) -> Row:
            made: Row = about["model"].from_db(connection.alias, names, row[first:last])
            for populator in populators:
                populator.populate(row, made)
            return made

        converters = compiler.get_converters([column[0] for column in select])
        convert = functools.partial(compiler.apply_converters, converters=converters)
        return sql, params, make, convert if converters else None

    def __call__(self, *values: Any) -> list[Row]:
        """The rows for these values, in the order of the stand-ins."""
        sql, params, make, convert = self._plan
        put = dict(zip(self._stand_ins, values, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(sql, [put.get(param, param) for param in params])
            rows: Iterable[Any] = cursor.fetchall()
        return [make(row) for row in (convert(rows) if convert else rows)]


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model in one statement. No signal is sent; keys must be set."""
    if not rows:
        return
    model = type(rows[0])
    fields = model._meta.local_concrete_fields  # noqa: SLF001 - Django documents _meta
    values = [[field.pre_save(row, add=True) for field in fields] for row in rows]
    left_out = tuple(isinstance(value, DatabaseDefault) for value in values[0])
    params = [
        field.get_db_prep_save(value, connection)
        for row in values
        for field, value, default in zip(fields, row, left_out, strict=True)
        if not default
    ]
    with connection.cursor() as cursor:
        cursor.execute(_insert_sql(model, left_out, len(rows)), params)
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001


@functools.lru_cache(maxsize=256)
def _insert_sql(model: type[models.Model], left_out: tuple[bool, ...], count: int) -> str:
    quote = connection.ops.quote_name
    fields = model._meta.local_concrete_fields  # noqa: SLF001
    columns = [
        quote(str(field.column))
        for field, default in zip(fields, left_out, strict=True)
        if not default
    ]
    one = f"({', '.join(['%s'] * len(columns))})"
    table = quote(model._meta.db_table)  # noqa: SLF001
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([one] * count)}"  # noqa: S608
