"""Queries and inserts of the busiest requests, whose SQL is compiled once.

Django compiles a queryset or an insert anew each time, which takes several times as long as the
database needs to run it. The SQL of a query is what Django makes of the queryset, and an insert
reads its columns from the models, so nothing here lists a column.
"""

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
from django.conf import settings
from django.db import NotSupportedError, OperationalError, connection, models, transaction
from django.db.models.expressions import DatabaseDefault
from django.db.models.query import get_related_populators
from psycopg import errors, sql
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.json import Jsonb

from loyalty_portal.fastpath.cursor import prepared_cursor

Row = TypeVar("Row")

# What a new connection does not meet: a server that has left, without a word or with one; a kept
# plan whose answer has other types since a migration.
_OF_THE_CONNECTION = {
    None,
    errors.AdminShutdown.sqlstate,
    errors.CrashShutdown.sqlstate,
    errors.FeatureNotSupported.sqlstate,
}


class Prepared(Generic[Row]):
    """Compiles the queryset once, with placeholder arguments; each later call binds new values to
    the same SQL.

    `build(*placeholders)` makes the queryset, at the first call. A placeholder has the type of the
    values it stands for, and occurs nowhere else in the query. `select_related` and `values_list`
    work; prefetching and lookups that change the SQL do not. With FASTPATH=false each call runs
    `build(*values)`, and nothing else.
    """

    def __init__(self, build: Callable[..., models.QuerySet[Any, Row]], *placeholders: Any) -> None:
        self._build = build
        self._placeholders = placeholders

    @functools.cached_property
    def _plan(self) -> tuple[str, tuple[Any, ...], Callable[[Any], Row], Any]:
        compiler: Any = self._build(*self._placeholders).query.get_compiler(connection=connection)
        text, params = compiler.as_sql()
        text, params = with_constants(text, params, self._placeholders)
        make: Callable[[Any], Any] = _row_maker(compiler) if compiler.klass_info else tuple
        converters = compiler.get_converters([column[0] for column in compiler.select])
        convert = functools.partial(compiler.apply_converters, converters=converters)
        return text, params, make, convert if converters else None

    def __call__(self, *values: Any) -> list[Row]:
        """The rows for these values, which are in the order of the placeholders."""
        if not settings.FASTPATH:
            return list(self._build(*values))
        text, params, make, convert = self._plan
        put = dict(zip(self._placeholders, values, strict=True))
        rows = _read(text, [put[param] for param in params])
        return [make(row) for row in (convert(rows) if convert else rows)]


def _row_maker(compiler: Any) -> Callable[[Any], Any]:
    """Return a function that makes a model instance with its relations from a row, as
    Django does.
    """
    about, select = compiler.klass_info, compiler.select
    first, last = about["select_fields"][0], about["select_fields"][-1] + 1
    names = [column[0].target.attname for column in select[first:last]]
    # The stubs are of a newer Django, which asks for one thing more.
    populators = get_related_populators(about, select, connection.alias)  # type: ignore[call-arg]

    def make(row: tuple[Any, ...]) -> Any:
        made = about["model"].from_db(connection.alias, names, row[first:last])
        for populator in populators:
            populator.populate(row, made)
        return made

    return make


def with_constants(
    text: str, params: Iterable[Any], placeholders: tuple[Any, ...]
) -> tuple[str, tuple[Any, ...]]:
    """Write the constants of a statement into its text; placeholders stay parameters.

    PostgreSQL uses a partial index only when the text shows that its condition holds.
    """
    connection.ensure_connection()
    link: Any = connection.connection
    first, *others = text.split("%s")
    made, kept = [first], []
    for param, after in zip(params, others, strict=True):
        if param in placeholders:
            kept.append(param)
            made.append("%s")
        else:
            made.append(sql.Literal(param).as_string(link).replace("%", "%%"))
        made.append(after)
    return "".join(made), tuple(kept)


def _read(text: str, params: list[Any]) -> Iterable[Any]:
    """Asked again on a new connection when the old one turns out to be of no use.

    The server's farewell may still be on its way while a kept connection is looked at.
    """
    try:
        return _fetch(text, params)
    except (OperationalError, NotSupportedError) as error:
        of_it = getattr(error.__cause__, "sqlstate", None) in _OF_THE_CONNECTION
        if not of_it or connection.in_atomic_block:
            raise
    connection.close()
    return _fetch(text, params)


def _fetch(text: str, params: list[Any]) -> Iterable[Any]:
    with prepared_cursor() as cursor:
        # Django's loader of times is Python's, for zones other than the connection's, which is UTC.
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(text, params)
        rows: Iterable[Any] = cursor.fetchall()
    return rows


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows, of one model or of several, in one statement.

    Foreign keys are checked at the commit, so the order of the rows does not matter. No signal
    is sent, and keys must be set. With FASTPATH=false each model has a `bulk_create` of its own.
    """
    if not settings.FASTPATH:
        _insert_plainly(rows)
        return
    batches: dict[_Shape, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row._meta.label):
        values = _values(row)
        batches[type(row), tuple(values)].append(values)
        row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001
    if batches:
        batch_params = [_as_json(batch) for batch in batches.values()]
        with prepared_cursor() as cursor:
            cursor.execute(_insert_sql(tuple(batches)), batch_params)


def _insert_plainly(rows: Sequence[models.Model]) -> None:
    by_model: dict[type[models.Model], list[models.Model]] = defaultdict(list)
    for row in rows:
        by_model[type(row)].append(row)
    with transaction.atomic(savepoint=False):
        for model, those in by_model.items():
            model._base_manager.bulk_create(those)  # noqa: SLF001 - it is documented


_Shape = tuple[type[models.Model], tuple[str, ...]]  # the columns that are given
# What stands in the row as the database wants it: Django's way around it costs more than the
# insert itself. Texts are the enums of their choices too; both are str.
_PLAIN = {
    models.UUIDField,
    models.IntegerField,
    models.PositiveIntegerField,
    models.BooleanField,
    models.ForeignKey,
    models.OneToOneField,
    models.CharField,
    models.TextField,
    models.EmailField,
}


@functools.cache
def _columns(model: type[models.Model]) -> tuple[tuple[str, str, Any, bool], ...]:
    """For each column: its name, its attribute, its field, and whether it is plain."""
    fields = model._meta.local_concrete_fields
    return tuple((str(f.column), f.attname, f, type(f) in _PLAIN) for f in fields)


def _values(row: models.Model) -> dict[str, Any]:
    """By column; those that the database fills are left out."""
    values: dict[str, Any] = {}
    for column, attname, field, plain in _columns(type(row)):
        value = getattr(row, attname) if plain else field.pre_save(row, add=True)
        if type(value) is DatabaseDefault:
            continue
        if not plain and type(value) is not datetime:
            value = field.get_db_prep_save(value, connection)
        values[column] = value
    return values


def _as_json(batch: list[dict[str, Any]]) -> str:
    return orjson.dumps(batch, default=_inner).decode()


def _inner(value: Any) -> Any:
    if isinstance(value, Jsonb):
        return value.obj
    raise TypeError(f"{type(value).__name__} is not written by insert()")


@functools.lru_cache(maxsize=256)
def _insert_sql(shapes: tuple[_Shape, ...]) -> str:
    """One INSERT for each shape; all but the last in a WITH.

    A shape's rows are one parameter, so the text is the same, and stays planned, however many
    lines an order has; psycopg too reads a text with many placeholders anew each time.
    """
    inserts = [_one_insert(*shape) for shape in shapes]
    names = [f"insert_{number}" for number in range(len(inserts) - 1)]
    along = ", ".join(f"{name} AS ({each})" for name, each in zip(names, inserts, strict=False))
    return f"WITH {along} {inserts[-1]}" if along else inserts[-1]


def _one_insert(model: type[models.Model], given: tuple[str, ...]) -> str:
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = ", ".join(map(quote, given))
    rows = f"json_populate_recordset(NULL::{table}, %s)"
    return f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows}"  # noqa: S608
