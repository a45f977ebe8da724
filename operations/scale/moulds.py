"""Copies rows that belong together many times over, with PostgreSQL's COPY.

A mould holds the rows of one order, company or product as COPY's text, cut where copies differ from
each other. Such a place is a slot: it has a name, for which each copy gives a text.
"""

import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
from django.apps import apps
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.db.models import Field, ForeignKey, Model, QuerySet
from pghistory.models import Event

_DAY = r"\d{4}-\d\d-\d\d(?= \d\d:\d\d)"
_A_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

Keys = dict[type[Model], set[Any]]
Texts = dict[type[Model], list[str]]  # lines for COPY, by table


def escaped(text: str) -> str:
    """A text as COPY reads it."""
    return text.translate(_ESCAPES)


def driver() -> psycopg.Connection[tuple[Any, ...]]:
    """The driver's own connection, because Django knows no COPY."""
    connection.ensure_connection()
    link: psycopg.Connection[tuple[Any, ...]] = connection.connection
    return link


def _fields(model: type[Model]) -> list[Field[Any, Any]]:
    """The columns to copy. A key that the database counts is left to it."""
    return [field for field in model._meta.concrete_fields if "Auto" not in type(field).__name__]


def _columns(model: type[Model]) -> str:
    return ", ".join(f'"{field.column}"' for field in _fields(model))


def belonging(
    root: Model, *, soft: Mapping[type[Model], str], leave_out: Iterable[type[Model]] = ()
) -> Keys:
    """The keys of `root` and of all rows that refer to it, directly or over others.

    `soft` names columns that hold the key of another row without a foreign key. Change history is
    left out, because it is written by triggers.
    """
    left_out = set(leave_out)
    found: Keys = defaultdict(set)
    found[type(root)].add(root.pk)
    new = [root]
    while new:
        keys = {row.pk for row in new}
        parents = {type(row) for row in new}
        new = []
        for model in apps.get_models():
            if issubclass(model, Event) or model._meta.proxy or model in left_out:
                continue
            names = [
                field.name
                for field in model._meta.concrete_fields
                if isinstance(field, ForeignKey) and field.related_model in parents
            ]
            for name in [*names, *([soft[model]] if model in soft else [])]:
                rows: QuerySet[Model] = QuerySet(model).filter(**{f"{name}__in": keys})
                fresh = [row for row in rows if row.pk not in found[model]]
                found[model].update(row.pk for row in fresh)
                new += fresh
    return {model: keys for model, keys in found.items() if keys}


class Mould:
    """Rows that belong together, cut into texts that stay and slots to fill."""

    def __init__(self, rows: Keys, slots: Mapping[str, str]) -> None:
        """`slots`: the slot of each text that differs. The rows' own keys and the days of their
        times get slots by themselves: the key, and the day.
        """
        self.keys = [str(key) for keys in rows.values() for key in keys if isinstance(key, UUID)]
        texts = {escaped(text): slot for text, slot in slots.items() if text}
        texts |= {key: key for key in self.keys}
        longest_first = sorted(texts, key=len, reverse=True)
        cut = re.compile("(" + "|".join([*map(re.escape, longest_first), _DAY]) + ")")
        self._parts: dict[type[Model], list[str]] = {}
        for model, keys in rows.items():
            parts = cut.split(_lines(model, keys))
            parts[1::2] = [texts.get(part, part) for part in parts[1::2]]
            self._parts[model] = parts
        slots_cut = {part for parts in self._parts.values() for part in parts[1::2]}
        self.days = sorted(
            date.fromisoformat(slot) for slot in slots_cut if re.fullmatch(r"\d{4}-\d\d-\d\d", slot)
        )

    def fresh_keys(self, milliseconds: int) -> dict[str, str]:
        """New keys for the rows, so much later than their own, in the same order."""
        return {key: _moved(key, milliseconds) for key in self.keys}

    def moved_days(self, days: int) -> dict[str, str]:
        """The days of the rows' times, moved by a number of days."""
        shift = timedelta(days=days)
        return {day.isoformat(): (day + shift).isoformat() for day in self.days}

    def pour(self, values: Mapping[str, str], into: Texts) -> None:
        """Add one copy, with these texts in its slots."""
        for model, parts in self._parts.items():
            filled = parts.copy()
            filled[1::2] = [values[slot] for slot in parts[1::2]]
            into[model].append("".join(filled))


def _lines(model: type[Model], keys: Iterable[Any]) -> str:
    """Rows of one table as COPY writes them, in the order of their keys."""
    table, key = model._meta.db_table, model._meta.pk.column
    query = (
        f'COPY (SELECT {_columns(model)} FROM "{table}" WHERE "{key}" = ANY(%s) ORDER BY "{key}")'  # noqa: S608 - names of our own tables
        " TO STDOUT"
    )
    with driver().cursor().copy(query, [list(keys)]) as copy:
        return b"".join(bytes(block) for block in copy).decode()


def copy_in(texts: Texts) -> int:
    """Write the copies that were poured, in one transaction of the caller. Returns their rows."""
    rows = 0
    for model, lines in texts.items():
        statement = f'COPY "{model._meta.db_table}" ({_columns(model)}) FROM STDIN'
        with driver().cursor() as cursor:
            with cursor.copy(statement) as copy:
                copy.write("".join(lines))
            rows += cursor.rowcount
    texts.clear()
    return rows


def _moved(key: str, milliseconds: int) -> str:
    """A new UUID of version 7, whose time is so much later than that of `key`."""
    time = (int(key.replace("-", "")[:12], 16) + milliseconds) & 0xFFFF_FFFF_FFFF
    digits = f"{time:012x}7{secrets.randbits(12):03x}{secrets.randbits(62) | 1 << 63:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@contextmanager
def history_triggers_off() -> Iterator[None]:
    """Without the triggers that write change history at an INSERT, which only the owner of the
    tables can switch off. All others work: they hold what must hold.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I', c.relname), format('%I', t.tgname) FROM pg_trigger t"
            " JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname LIKE 'pgtrigger_insert_insert_%'"
        )
        triggers = cursor.fetchall()
        _switch(cursor, "DISABLE", triggers)
        try:
            yield
        finally:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # no table with checks to come changes
            _switch(cursor, "ENABLE", triggers)


def _switch(cursor: CursorWrapper, how: str, triggers: list[tuple[Any, ...]]) -> None:
    for table, trigger in triggers:
        cursor.execute(f"ALTER TABLE {table} {how} TRIGGER {trigger}")
