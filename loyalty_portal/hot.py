"""Queries on the hot path, whose SQL is made once.

Django compiles a queryset or an insert anew each time, which costs several times what the
database does with it. What is read on every page, and what placing an order writes, goes
through here; measured by `make bench`. Models stay the only place that knows the columns.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

from django.db import connection, models
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.backends.utils import CursorWrapper
from django.db.models.expressions import DatabaseDefault
from django.db.models.query import get_related_populators

Row = TypeVar("Row", bound=models.Model)


def kept_cursor() -> CursorWrapper:
    """A cursor for SQL that is always the same text: PostgreSQL plans it once a connection.

    Planning the joins of a page's header costs it more than running them. Django's own cursor
    puts the values into the text, so that each is a statement never seen before. Whoever adds
    to statements (the history of staff's changes) needs that one, and gets it.
    """
    if connection.execute_wrappers:
        return connection.cursor()
    wrapper: Any = connection
    wrapper.close_if_health_check_failed()
    wrapper.ensure_connection()
    made: Any = ServerBindingCursor
    cursor: CursorWrapper = wrapper._prepare_cursor(made(wrapper.connection))  # noqa: SLF001
    return cursor


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
        with kept_cursor() as cursor:
            cursor.execute(sql, [put.get(param, param) for param in params])
            rows: Iterable[Any] = cursor.fetchall()
        return [make(row) for row in (convert(rows) if convert else rows)]


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows, of one model or of several, in one statement.

    Foreign keys are checked at the commit, so the order of the rows does not matter. No signal
    is sent, and keys must be set.
    """
    shapes: list[tuple[type[models.Model], tuple[bool, ...]]] = []
    params: list[Any] = []
    for row in sorted(rows, key=lambda row: row._meta.label):  # noqa: SLF001 - it is documented
        values = _values(row)
        left_out = tuple(type(value) is DatabaseDefault for value in values)
        shapes.append((type(row), left_out))
        params += [value for value in values if type(value) is not DatabaseDefault]
        row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001
    if shapes:
        with kept_cursor() as cursor:
            cursor.execute(_insert_sql(tuple(shapes)), params)


# What psycopg takes as it is: Django's way around it costs more than the insert.
_PLAIN = {
    models.UUIDField,
    models.IntegerField,
    models.PositiveIntegerField,
    models.BooleanField,
    models.ForeignKey,
    models.OneToOneField,
}
_TEXT = {models.CharField, models.TextField, models.EmailField}  # plain when no TextChoices


@functools.cache
def _columns(model: type[models.Model]) -> tuple[tuple[str, Any, bool, bool], ...]:
    """For each column: its attribute, its field, whether it is always plain, whether a text."""
    fields = model._meta.local_concrete_fields  # noqa: SLF001
    return tuple((f.attname, f, type(f) in _PLAIN, type(f) in _TEXT) for f in fields)


def _values(row: models.Model) -> list[Any]:
    values: list[Any] = []
    for attname, field, plain, text in _columns(type(row)):
        value = getattr(row, attname)
        if not (plain or (text and type(value) is str)):
            value = field.pre_save(row, add=True)
            if type(value) is not DatabaseDefault:
                value = field.get_db_prep_save(value, connection)
        values.append(value)
    return values


@functools.lru_cache(maxsize=256)
def _insert_sql(shapes: tuple[tuple[type[models.Model], tuple[bool, ...]], ...]) -> str:
    """One INSERT for each shape; all but the last in a WITH."""
    counted = Counter(shapes)
    inserts = [_one_insert(model, left_out, count) for (model, left_out), count in counted.items()]
    names = [f"insert_{number}" for number in range(len(inserts) - 1)]
    along = ", ".join(f"{name} AS ({each})" for name, each in zip(names, inserts, strict=False))
    return f"WITH {along} {inserts[-1]}" if along else inserts[-1]


def _one_insert(model: type[models.Model], left_out: tuple[bool, ...], count: int) -> str:
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
