"""Queries and inserts of the busiest requests, whose SQL is compiled once.

Django compiles a queryset or an insert each time, which takes several times as long as the database
needs to run it. The SQL of a query comes from Django's queryset, and an insert reads its columns
from the models, so no column is listed here.
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
from django.db.models.query import ModelIterable, get_related_populators
from psycopg import errors, sql
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.json import Jsonb

from loyalty_portal.fastpath.cursor import prepared_cursor

Row = TypeVar("Row")

# Errors that a new connection does not have: the server closed the old one, or the result types of
# its prepared statement changed in a migration.
_OF_THE_CONNECTION = {
    None,
    errors.AdminShutdown.sqlstate,
    errors.CrashShutdown.sqlstate,
    errors.FeatureNotSupported.sqlstate,
}


class Prepared(Generic[Row]):
    """Compiles the queryset once, with placeholder arguments; each later call binds new values to
    the same SQL.

    `build(*placeholders)` makes the queryset at the first call. A placeholder has the type of its
    values and occurs nowhere else in the query. `select_related` and `values_list` work;
    prefetching and lookups that change the SQL do not. With FASTPATH=false each call runs
    `build(*values)`.
    """

    def __init__(self, build: Callable[..., models.QuerySet[Any, Row]], *placeholders: Any) -> None:
        self._build = build
        self._placeholders = placeholders

    @functools.cached_property
    def _plan(self) -> tuple[str, list[int], Callable[[Any], Row], Any]:
        rows = self._build(*self._placeholders)
        compiler: Any = rows.query.get_compiler(connection=connection)
        text, params = self._statement(compiler)
        of_models = issubclass(rows._iterable_class, ModelIterable)  # noqa: SLF001
        make: Callable[[Any], Any] = row_maker(compiler) if of_models else tuple
        converters = compiler.get_converters([column[0] for column in compiler.select])
        convert = functools.partial(compiler.apply_converters, converters=converters)
        places = [self._placeholders.index(param) for param in params]
        return text, places, make, convert if converters else None

    def _statement(self, compiler: Any) -> tuple[str, tuple[Any, ...]]:
        text, params = compiler.as_sql()
        return with_constants(text, params, self._placeholders)

    def __call__(self, *values: Any) -> list[Row]:
        """Run the query. `values` are in the order of the placeholders."""
        if not settings.FASTPATH:
            return list(self._build(*values))
        text, places, make, convert = self._plan
        rows = _read(text, [values[place] for place in places])
        return [make(row) for row in (convert(rows) if convert else rows)]


def row_maker(compiler: Any) -> Callable[[Any], Any]:
    """Return a function that makes a model instance with its relations from a row, as
    Django does.
    """
    about, select = compiler.klass_info, compiler.select
    first, last = about["select_fields"][0], about["select_fields"][-1] + 1
    names = [column[0].target.attname for column in select[first:last]]
    # The stubs describe a newer Django, with one more argument.
    populators = get_related_populators(about, select, connection.alias)  # type: ignore[call-arg]
    annotated = compiler.annotation_col_map.items()

    def make(row: tuple[Any, ...]) -> Any:
        made = about["model"].from_db(connection.alias, names, row[first:last])
        for name, column in annotated:
            setattr(made, name, row[column])
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
    """Run the statement, and repeat it on a new connection if the old one is broken.

    The connection check can miss a close that is still on its way.
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
        # For time zones other than UTC, which the connection uses, Django's loader is in Python.
        cursor.adapters.register_loader("timestamptz", TimestamptzLoader)
        cursor.execute(text, params)
        rows: Iterable[Any] = cursor.fetchall()
    return rows


def insert(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one or several models in one statement.

    Foreign keys are checked at the commit, so the order of rows does not matter. No signal is sent,
    and primary keys must be set. With FASTPATH=false each model gets a `bulk_create`.
    """
    if not settings.FASTPATH:
        _insert_plainly(rows)
        return
    shapes, params = batches_of(rows)
    if shapes:
        with prepared_cursor() as cursor:
            cursor.execute(_insert_sql(shapes), params)


def insert_unknown(rows: Sequence[models.Model]) -> int:
    """Insert new rows of one model, except those that a unique constraint refuses. Returns how many
    it inserted. It is otherwise as `insert`.
    """
    if not settings.FASTPATH:
        return _insert_unknown_plainly(rows)
    (shape,), params = batches_of(rows)
    with prepared_cursor() as cursor:
        cursor.execute(one_insert(*shape) + " ON CONFLICT DO NOTHING", params)
        return int(cursor.rowcount)


def _insert_unknown_plainly(rows: Sequence[models.Model]) -> int:
    manager = type(rows[0])._base_manager  # noqa: SLF001 - it is documented
    with transaction.atomic(savepoint=False):
        manager.bulk_create(rows, ignore_conflicts=True)
        return manager.filter(pk__in=[row.pk for row in rows]).count()


def batches_of(rows: Sequence[models.Model]) -> "tuple[tuple[Shape, ...], list[str]]":
    """The rows by their shape, and the rows of each shape as one parameter."""
    batches: dict[Shape, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row._meta.label):
        values = _values(row)
        batches[type(row), tuple(values)].append(values)
        row._state.adding, row._state.db = False, connection.alias  # noqa: SLF001
    return tuple(batches), [_as_json(batch) for batch in batches.values()]


def _insert_plainly(rows: Sequence[models.Model]) -> None:
    by_model: dict[type[models.Model], list[models.Model]] = defaultdict(list)
    for row in rows:
        by_model[type(row)].append(row)
    with transaction.atomic(savepoint=False):
        for model, those in by_model.items():
            model._base_manager.bulk_create(those)  # noqa: SLF001 - it is documented


Shape = tuple[type[models.Model], tuple[str, ...]]  # model and columns with given values
# Types whose values the database takes as they are: Django's conversion costs more than the insert
# itself. Text includes choices, which are str.
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
    """The values by column, without those that the database fills."""
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
def _insert_sql(shapes: tuple[Shape, ...]) -> str:
    """Build one INSERT for each shape; all but the last are in a WITH clause.

    The rows of a shape are one parameter, so the text and its plan are the same for any number of
    rows. psycopg also parses a text with many placeholders each time.
    """
    inserts = [one_insert(*shape) for shape in shapes]
    names = [f"insert_{number}" for number in range(len(inserts) - 1)]
    along = ", ".join(f"{name} AS ({each})" for name, each in zip(names, inserts, strict=False))
    return f"WITH {along} {inserts[-1]}" if along else inserts[-1]


def one_insert(model: type[models.Model], given: tuple[str, ...]) -> str:
    """The INSERT of rows of one shape, which are its one parameter. A WHERE may follow."""
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = ", ".join(map(quote, given))
    rows = f"json_populate_recordset(NULL::{table}, %s)"
    return f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows}"  # noqa: S608
