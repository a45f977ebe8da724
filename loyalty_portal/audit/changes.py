"""Reads the change history of every tracked model: who changed what, from what to what."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, cast

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import DateTimeField, ForeignKey, Model
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from psycopg import sql

from loyalty_portal.audit.sources import personal_columns, secret_columns
from loyalty_portal.data.texts.times import exact

Row = dict[str, Any]
# Columns that name a row, the first that it has.
_NAMES = (
    *("order_number", "sku", "label", "email", "codename", "name"),
    *("names", "recipient_name"),
)


@dataclass(frozen=True, slots=True)
class ChangesAsked:
    """What changes are asked for. `models` are labels of tracked models, `who` is a user's key,
    `before` the place of the last change that was shown already (`RowChange.place_in_list`).
    """

    models: tuple[str, ...]
    key: str = ""
    who: str = ""
    field: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: tuple[datetime, int, str] | None = None


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column that changed. `hidden`: the values are not for the person who looks."""

    label: str
    old: str
    new: str
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class RowChange:
    """One change of one row. `who` is "" when nobody was recorded; `place` is a page or command."""

    at: datetime
    kind: str
    model: str
    label: str
    key: str
    name: str
    who: str
    place: str
    address: str
    differences: list[ColumnChange]
    number: int

    @property
    def place_in_list(self) -> tuple[datetime, int, str]:
        """What the list is ordered by, the highest first. All changes of one transaction have the
        same time.
        """
        return self.at, self.number, self.label


@cache
def tracked_models() -> dict[str, type[Model]]:
    """The models of the change history, by the labels of the models that they track."""
    found = {
        cast("Any", model).pgh_tracked_model._meta.label_lower: model
        for model in apps.get_models()
        if hasattr(model, "pgh_tracked_model")
    }
    return dict(sorted(found.items()))


def seen_with(label: str) -> str:
    """The permission that somebody needs to see the changes of a model."""
    model = cast("Any", tracked_models()[label]).pgh_tracked_model
    room, name = label.split(".")
    return str(getattr(model, "seen_with", f"{room}.view_{name}"))


def fields_of(label: str) -> list[tuple[str, str]]:
    """The columns of a model with their names on the screen, to choose one from."""
    return [(field.column, _label(field)) for field in _fields(tracked_models()[label])]


def changes(asked: ChangesAsked, *, most: int, personal: bool) -> list[RowChange]:
    """The newest changes, at most `most`, in a few queries. Values of encrypted columns are never
    shown, those of personal ones only if `personal`.
    """
    rows = _rows(asked, most)
    people = _people(rows)
    names = _related_names(rows)
    return [_told(row, people, names, personal=personal) for row in rows]


@dataclass(frozen=True, slots=True)
class _HistoryRow:
    """A row of the history. `old` is None when it was added, or when nothing older is recorded;
    `new` is None when it was deleted.
    """

    label: str
    at: datetime
    kind: str
    old: Row | None
    new: Row | None
    context: Row
    number: int

    @property
    def told(self) -> Row:
        return self.new or self.old or {}


def _rows(asked: ChangesAsked, most: int) -> list[_HistoryRow]:
    parts, values = [], []
    for label in asked.models:
        key = _key(label, asked.key)
        if asked.key and key is None:
            continue  # no row of this model has such a key
        part, own = _part(label, asked, key, most)
        parts.append(part)
        values += own
    if not parts:
        return []
    query = sql.SQL("SELECT * FROM ({}) every ORDER BY 2 DESC, 7 DESC, 1 DESC LIMIT {}").format(
        sql.SQL(" UNION ALL ").join(parts), sql.Literal(most)
    )
    with connection.cursor() as cursor:
        cursor.execute(query.as_string(), values)  # pghistory's wrapper knows only texts
        found = cursor.fetchall()
    return [
        _as_found(label, at, kind, number, _read(row), _read(other), _read(context))
        for label, at, kind, row, other, context, number in found
    ]


def _read(text: str | None) -> Any:
    return json.loads(text) if text else None


def _as_found(
    label: str,
    at: datetime,
    kind: str,
    number: int,
    row: Row | None,
    other: Row | None,
    context: Row | None,
) -> _HistoryRow:
    old: Row | None
    new: Row | None
    if kind == "replaced":  # the history has the row as it was before, and `other` is what followed
        old, new = row, other
    elif kind == "delete":
        old, new = row, None
    else:
        old, new = other if kind != "insert" else None, row
    return _HistoryRow(label, at, kind, old, new, context or {}, number)


def _key(label: str, typed: str) -> Any:
    """The key as the model's rows have it; None for what is no key of such rows."""
    try:
        return cast("Any", tracked_models()[label]).pgh_tracked_model._meta.pk.to_python(typed)
    except ValidationError:
        return None


def _part(label: str, asked: ChangesAsked, key: Any, most: int) -> tuple[sql.Composable, list[Any]]:
    """The query for one model: its newest changes, each with the row before or after it."""
    model = tracked_models()[label]
    limits, values = [sql.SQL("TRUE")], []
    for condition, value in (
        ("row.pgh_obj_id = %s", key if asked.key else None),
        ("context.metadata->>'user' = %s", asked.who),
        ("row.pgh_created_at >= %s", asked.since),
        ("row.pgh_created_at < %s", asked.until),
    ):
        if value:
            limits.append(sql.SQL(condition))
            values.append(value)
    if asked.before:
        at, number, last = asked.before
        limits.append(sql.SQL("(row.pgh_created_at, row.pgh_id, %s) < (%s, %s, %s)"))
        values += [label, at, number, last]
    if asked.field:
        limits.append(sql.SQL("to_jsonb(row)->%s IS DISTINCT FROM beside.other->%s"))
        values += [asked.field, asked.field]
    query = sql.SQL(
        "(SELECT {label}::text, row.pgh_created_at, row.pgh_label, to_jsonb(row)::text,"
        " beside.other::text, context.metadata::text, row.pgh_id FROM {table} row"
        " LEFT JOIN pghistory_context context ON context.id = row.pgh_context_id"
        " LEFT JOIN LATERAL ({beside}) beside ON TRUE"
        " WHERE {limits}"
        " ORDER BY row.pgh_created_at DESC, row.pgh_id DESC LIMIT {most})"
    ).format(
        label=sql.Literal(label),
        table=sql.Identifier(model._meta.db_table),
        beside=_beside(model),
        limits=sql.SQL(" AND ").join(limits),
        most=sql.Literal(most),
    )
    return query, values


def _beside(model: type[Model]) -> sql.Composable:
    """The row to compare with: the one before. Where the history has replaced rows, the one that
    followed, which for the newest is the row as it is now.
    """
    table = sql.Identifier(model._meta.db_table)
    trackers = cast("Any", model).pgh_trackers
    if not any(tracker.label == "replaced" for tracker in trackers):
        return sql.SQL(
            "SELECT to_jsonb(one) AS other FROM {table} one WHERE one.pgh_obj_id = row.pgh_obj_id"
            " AND one.pgh_id < row.pgh_id ORDER BY one.pgh_id DESC LIMIT 1"
        ).format(table=table)
    current = cast("Any", model).pgh_tracked_model
    return sql.SQL(
        "SELECT coalesce((SELECT to_jsonb(one) FROM {table} one"
        " WHERE one.pgh_obj_id = row.pgh_obj_id AND one.pgh_id > row.pgh_id"
        " ORDER BY one.pgh_id LIMIT 1), (SELECT to_jsonb(one) FROM {current} one"
        " WHERE one.{key} = row.pgh_obj_id)) AS other"
    ).format(
        table=table,
        current=sql.Identifier(current._meta.db_table),
        key=sql.Identifier(current._meta.pk.column),
    )


def _people(rows: Iterable[_HistoryRow]) -> dict[str, str]:
    """The names of those who made the changes, by their keys."""
    keys = {str(row.context["user"]) for row in rows if row.context.get("user")}
    users = get_user_model().objects.filter(pk__in=keys) if keys else ()
    return {str(user.pk): str(user) for user in users}


def _related_names(rows: Iterable[_HistoryRow]) -> dict[tuple[str, str], str]:
    """The names of the rows that changed columns point to, by their models' labels and keys."""
    wanted: dict[type[Model], set[str]] = {}
    for row in rows:
        for field in _changed(row):
            if isinstance(field, ForeignKey):
                keys = {str((one or {}).get(field.column) or "") for one in (row.old, row.new)}
                wanted.setdefault(cast("Any", field.related_model), set()).update(keys - {""})
    found = {}
    for model, keys in wanted.items():
        with_names = model._default_manager.select_related()  # noqa: SLF001 - public
        for key, one in with_names.in_bulk(list(keys)).items():
            found[model._meta.label, str(key)] = str(one)
    return found


def _told(
    row: _HistoryRow, people: dict[str, str], names: dict[tuple[str, str], str], *, personal: bool
) -> RowChange:
    model = tracked_models()[row.label]
    hidden = secret_columns(model) | (frozenset() if personal else personal_columns(model))
    context, who = row.context, str(row.context.get("user") or "")
    command = context.get("command")
    place = f"manage.py {command}" if command else str(context.get("url", ""))
    if "job" in context:
        place = _("Background work")
    return RowChange(
        at=row.at,
        kind=_kind(row),
        model=str(cast("Any", model).pgh_tracked_model._meta.verbose_name),
        label=row.label,
        key=str(row.told.get("pgh_obj_id", "")),
        name=_name(row, hidden, names),
        who=people.get(who, who),
        place=place,
        address=str(context.get("address", "")) if personal else "",
        differences=[_difference(field, row, hidden, names) for field in _changed(row)],
        number=row.number,
    )


def _kind(row: _HistoryRow) -> str:
    told = {"insert": _("added"), "delete": _("deleted"), "password": _("password set")}
    return told.get(row.kind, _("changed"))


def _name(row: _HistoryRow, hidden: frozenset[str], names: dict[tuple[str, str], str]) -> str:
    for column in _NAMES:
        if row.told.get(column) and column not in hidden:
            return str(row.told[column])
    ends = [
        names.get((cast("Any", field.related_model)._meta.label, str(row.told[field.column])), "")
        for field in _fields(tracked_models()[row.label])
        if isinstance(field, ForeignKey) and row.told.get(field.column)
    ]
    return " · ".join(end for end in ends if end)


def _changed(row: _HistoryRow) -> list[Any]:
    """The columns that differ. Of an added or deleted row, those that are not empty."""
    old, new = row.old, row.new
    fields = _fields(tracked_models()[row.label])
    if old is None or new is None:
        told = row.told
        return [field for field in fields if told.get(field.column) not in (None, "", [], {})]
    return [field for field in fields if old.get(field.column) != new.get(field.column)]


def _fields(model: type[Model]) -> list[Any]:
    own = cast("Any", model).pgh_tracked_model._meta.pk.column
    return [
        field
        for field in model._meta.concrete_fields
        if not field.name.startswith("pgh_") and field.column not in {own, "updated_at"}
    ]


def _difference(
    field: Any,
    row: _HistoryRow,
    hidden: frozenset[str],
    names: dict[tuple[str, str], str],
) -> ColumnChange:
    if field.column in hidden:
        return ColumnChange(_label(field), "", "", hidden=True)
    old, new = (
        "" if one is None else _shown(field, one.get(field.column), names)
        for one in (row.old, row.new)
    )
    return ColumnChange(_label(field), old, new)


def _shown(field: Any, value: Any, names: dict[tuple[str, str], str]) -> str:
    if value in (None, "", []):
        return "–"
    if isinstance(field, ArrayField):
        return ", ".join(_shown(field.base_field, each, names) for each in value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(field, DateTimeField):
        return exact(datetime.fromisoformat(value), seconds=True)
    if isinstance(field, ForeignKey):
        label = cast("Any", field.related_model)._meta.label
        return names.get((label, str(value)), str(value))
    choices = dict(cast("Any", field).flatchoices)
    return str(choices.get(value, value))


def _label(field: Any) -> str:
    return str(capfirst(field.verbose_name))
