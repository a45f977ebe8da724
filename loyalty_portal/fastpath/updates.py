"""Updates of the busiest requests. The SQL is compiled once for each set of columns.

Queries and inserts are in sql.py.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Q
from django.db.models.sql import UpdateQuery

from loyalty_portal.fastpath.cursor import prepared_cursor
from loyalty_portal.fastpath.sql import (
    Prepared,
    Shape,
    batches_of,
    insert,
    one_insert,
    with_constants,
)

Row = TypeVar("Row")

_EACH = object()  # marks a value that each call supplies
_ALWAYS = Q()
_IF_CHANGED = "EXISTS (SELECT FROM changed)"


def update(
    model: type[models.Model],
    where: Mapping[str, Any],
    changes: Mapping[str, Any],
    *,
    also: Q = _ALWAYS,
    along: Sequence[models.Model] = (),
) -> int:
    """Do what `filter(also, **where).update(**changes)` does. Returns the number of rows.

    `where` compares with plain values only; a list means any of its values, and None equals
    nothing, as in SQL. `also`, and expressions in `changes`, become part of the cached SQL, so they
    must be the same at each call. `along`: new rows that the same statement inserts if it changes a
    row. With FASTPATH=false it runs that queryset, and then `insert`.
    """
    if None in where.values():
        return 0
    if not settings.FASTPATH:
        return _update_plainly(model, where, changes, also, along)
    fixed = tuple((name, value if _is_text(value) else _EACH) for name, value in changes.items())
    compared = tuple((name, type(value) is list) for name, value in where.items())
    shapes, inserted = batches_of(along)
    sql, known = _made(model, compared, fixed, also, shapes)
    new = [_new(model, name, value) for name, value in changes.items() if not _is_text(value)]
    given = iter([*new, *where.values()])
    params = [next(given) if each is _EACH else each for each in known]
    with prepared_cursor() as cursor:
        cursor.execute(sql, [*params, *inserted])
        if not along:
            return int(cursor.rowcount)
        changed: tuple[int] | None = cursor.fetchone()
        return changed[0] if changed else 0


def _update_plainly(
    model: type[models.Model],
    where: Mapping[str, Any],
    changes: Mapping[str, Any],
    also: Q,
    along: Sequence[models.Model],
) -> int:
    named = {f"{name}__in" if type(value) is list else name: value for name, value in where.items()}
    with transaction.atomic(savepoint=False):
        rows = model._base_manager.filter(also, **named)  # noqa: SLF001 - it is documented
        number = rows.update(**changes)
        if number:
            insert(along)
    return number


def delete(model: type[models.Model], where: Mapping[str, Any]) -> int:
    """Do what `filter(**where).delete()` does to this model's rows; returns their number.

    `where` compares as that of `update`. Nothing may refer to the rows, and no signal is sent.
    """
    if None in where.values():
        return 0
    if not settings.FASTPATH:
        rows = model._base_manager.filter(**where)  # noqa: SLF001 - it is documented
        return int(rows.delete()[0])
    with prepared_cursor() as cursor:
        cursor.execute(_deletion(model, tuple(where)), [*where.values()])
        return int(cursor.rowcount)


@functools.lru_cache(maxsize=256)
def _deletion(model: type[models.Model], where: tuple[str, ...]) -> str:
    quote = connection.ops.quote_name
    conditions = " AND ".join(f"{_column(model, name)} = %s" for name in where)
    return f"DELETE FROM {quote(model._meta.db_table)} WHERE {conditions}"  # noqa: S608


def _column(model: type[models.Model], name: str) -> str:
    own: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    return connection.ops.quote_name(own.column)


def _is_text(value: Any) -> bool:
    return value is None or hasattr(value, "resolve_expression")


def _new(model: type[models.Model], name: str, value: Any) -> Any:
    """A value in the form that the database needs."""
    field: Any = model._meta.get_field(name)
    if isinstance(value, models.Model):
        value = value.prepare_database_save(field)
    return field.get_db_prep_save(value, connection)


@functools.lru_cache(maxsize=256)
def _made(
    model: type[models.Model],
    compared: tuple[tuple[str, bool], ...],
    changes: tuple[tuple[str, Any], ...],
    also: Q,
    along: tuple[Shape, ...],
) -> tuple[str, list[Any]]:
    """The statement and its parameters, with `_EACH` for those that each call supplies. Those of
    `along` follow.
    """
    query = UpdateQuery(model)
    compiler: Any = query.get_compiler(connection=connection)
    quote = connection.ops.quote_name
    known: list[Any] = []

    def text(value: Any) -> str:
        sql, params = "%s", (_EACH,)
        if value is None:
            return "NULL"
        if value is not _EACH:
            sql, params = compiler.compile(value.resolve_expression(query))
        known.extend(params)
        return sql

    sets = [f"{_column(model, name)} = {text(value)}" for name, value in changes]
    conditions = [
        f"{_column(model, name)} = {f'ANY({text(_EACH)})' if of_any else text(_EACH)}"
        for name, of_any in compared
    ]
    if also:
        conditions.append(text(also))
    table = quote(model._meta.db_table)
    sql = f"UPDATE {table} SET {', '.join(sets)} WHERE {' AND '.join(conditions)}"  # noqa: S608
    return (_with_rows(sql, along) if along else sql), known


def _with_rows(change: str, along: tuple[Shape, ...]) -> str:
    """One statement that makes the change, inserts the rows if it changed any, and says how many it
    changed.
    """
    return f"{_change_and_rows(change, along)} SELECT count(*) FROM changed"  # noqa: S608


def _change_and_rows(change: str, along: tuple[Shape, ...]) -> str:
    """The WITH clause that makes the change, and inserts the rows if it changed any. What follows
    it finds the changed rows as `changed`.
    """
    inserts = [
        f"insert_{number} AS ({one_insert(*shape)} WHERE {_IF_CHANGED})"
        for number, shape in enumerate(along)
    ]
    return "WITH " + ", ".join([f"changed AS ({change} RETURNING 1)", *inserts])


class PreparedUpdate:
    """An UPDATE of one row whose new values depend on the old ones. It returns columns of the row.

    `build(*placeholders)` selects the row (by columns that do not change) with a further condition,
    and names the changes. It is compiled at the first call, as in `sql.Prepared`. `returning` lists
    the columns to return. With FASTPATH=false a queryset updates the row and then reads it while it
    is locked.
    """

    def __init__(
        self,
        build: Callable[..., tuple[models.QuerySet[Any], Q, dict[str, Any]]],
        *placeholders: Any,
        returning: tuple[str, ...],
    ) -> None:
        self._build = build
        self._placeholders = placeholders
        self._returning = returning

    @functools.cached_property
    def plan(self) -> tuple[str, str, tuple[Any, ...]]:
        """The UPDATE, which ends with its conditions, the columns to return, and the parameters."""
        rows, condition, changes = self._build(*self._placeholders)
        query: Any = rows.filter(condition).query.chain(UpdateQuery)
        query.add_update_values(changes)
        compiler: Any = query.get_compiler(connection=connection)
        text, params = compiler.as_sql()
        text, params = with_constants(text, params, self._placeholders)
        quote = connection.ops.quote_name
        columns: list[Any] = [rows.model._meta.get_field(name) for name in self._returning]
        return text, ", ".join(quote(each.column) for each in columns), params

    def bound(self, values: Sequence[Any]) -> list[Any]:
        """The parameters of the UPDATE with these values, in the order of the placeholders."""
        put = dict(zip(self._placeholders, values, strict=True))
        return [put[param] for param in self.plan[2]]

    def __call__(self, *values: Any) -> tuple[Any, ...] | None:
        """Run the update. Returns the columns after it, or None when no row met the condition."""
        if not settings.FASTPATH:
            return self._plainly(values)
        text, answer, _params = self.plan
        with prepared_cursor() as cursor:
            cursor.execute(f"{text} RETURNING {answer}", self.bound(values))
            found: tuple[Any, ...] | None = cursor.fetchone()
            return found

    def _plainly(self, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        rows, condition, changes = self._build(*values)
        with transaction.atomic(savepoint=False):
            if not rows.filter(condition).update(**changes):
                return None
            found: tuple[Any, ...] = rows.values_list(*self._returning).get()
            return found


class PreparedPair:
    """Two updates of one row each, and new rows, in one statement. The second update and the rows
    happen only if the first one changed its row, whose lock is taken first.

    Both have the same placeholders. With FASTPATH=false they run one after the other.
    """

    def __init__(self, first: PreparedUpdate, second: PreparedUpdate) -> None:
        self._first, self._second = first, second
        self._texts: dict[tuple[Shape, ...], str] = {}

    def __call__(self, *values: Any, along: Sequence[models.Model] = ()) -> tuple[Any, ...] | None:
        """Run both. Returns the columns of the second, or None when it changed nothing. The first
        may have changed its row then, so the caller gives up the transaction, or looks.
        """
        if not settings.FASTPATH:
            return self._plainly(values, along)
        shapes, inserted = batches_of(along)
        if shapes not in self._texts:
            self._texts[shapes] = self._text(shapes)
        params = [*self._first.bound(values), *inserted, *self._second.bound(values)]
        with prepared_cursor() as cursor:
            cursor.execute(self._texts[shapes], params)
            found: tuple[Any, ...] | None = cursor.fetchone()
            return found

    def _text(self, along: tuple[Shape, ...]) -> str:
        change, answer, _params = self._second.plan
        before = _change_and_rows(self._first.plan[0], along)
        return f"{before} {change} AND {_IF_CHANGED} RETURNING {answer}"

    def _plainly(
        self, values: tuple[Any, ...], along: Sequence[models.Model]
    ) -> tuple[Any, ...] | None:
        with transaction.atomic(savepoint=False):
            if self._first(*values) is None:
                return None
            insert(along)
            return self._second(*values)


class PreparedHold(Prepared[Row]):
    """Writes `changes` to rows, which locks them until the transaction ends, and reads them as they
    are then, in one statement.

    `build` selects rows of one model by its own columns, with `select_related`, as for Prepared.
    `held`: the parent rows to lock, when `build` selects children. Other rows are read from the
    snapshot before the lock was granted, so they may be stale. With FASTPATH=false a queryset
    updates the rows, and then `build` reads.
    """

    def __init__(
        self,
        build: Callable[..., models.QuerySet[Any, Row]],
        *placeholders: Any,
        changes: Mapping[str, Any],
        held: Callable[..., models.QuerySet[Any]] | None = None,
    ) -> None:
        super().__init__(build, *placeholders)
        self._changes = changes
        self._held = held or build

    def _statement(self, compiler: Any) -> tuple[str, tuple[Any, ...]]:
        select, asked = super()._statement(compiler)
        query: Any = self._held(*self._placeholders).query.chain(UpdateQuery)
        query.add_update_values(self._changes)
        compiler = query.get_compiler(connection=connection)
        text, params = compiler.as_sql()
        change, given = with_constants(text, params, self._placeholders)
        # The SELECT then reads the written rows by the name of their table.
        table = connection.ops.quote_name(query.model._meta.db_table)
        return f"WITH {table} AS ({change} RETURNING *) {select}", (*given, *asked)

    def __call__(self, *values: Any) -> list[Row]:
        """Run the statement. `values` are in the order of the placeholders."""
        if settings.FASTPATH:
            return super().__call__(*values)
        with transaction.atomic(savepoint=False):
            self._held(*values).update(**self._changes)
            return list(self._build(*values))
