"""The tables that are history, which the chain covers, and which of their columns are personal."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.db.models import AutoField, BigAutoField, Model
from pghistory.models import Event

from loyalty_portal.audit.models import ChainLink
from loyalty_portal.data.encrypted_field import EncryptedTextField

ORDER = "chain_order"  # the column that numbers the rows of a table whose key is no number


@dataclass(frozen=True, slots=True)
class Source:
    """A table of history. `order` is the column with ascending numbers."""

    label: str
    table: str
    order: str
    personal: frozenset[str]
    has_context: bool


@cache
def sources() -> dict[str, Source]:
    """The tables that the chain covers, by the labels of their models, in the order of these."""
    found = {model._meta.label: _source(model) for model in _models()}
    return dict(sorted(found.items()))


def personal_columns(model: type[Model]) -> frozenset[str]:
    """The columns of a model, or of its history, that tell something about a person: those that the
    model names in its attribute `personal_columns`.
    """
    if model is LogEntry:
        return frozenset({"object_repr"})
    tracked = getattr(model, "pgh_tracked_model", model)
    named = frozenset(getattr(tracked, "personal_columns", ()))
    return named & _columns(model)


def secret_columns(model: type[Model]) -> frozenset[str]:
    """The columns that are encrypted. They are shown to nobody."""
    fields: Iterable[Any] = model._meta.concrete_fields
    return frozenset(str(one.column) for one in fields if isinstance(one, EncryptedTextField))


def is_history(model: type[Model]) -> bool:
    """Whether the rows of a model are written once: triggers refuse to change any of them."""
    triggers: Iterable[Any] = getattr(model._meta, "triggers", ())
    names = [each.name for each in triggers if each.condition is None]
    if model._meta.proxy:
        return False
    return model is LogEntry or ("rows_stay_as_they_are" in names and "rows_stay" in names)


def _models() -> list[type[Model]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.columns WHERE column_name = %s", [ORDER]
        )
        ordered = {name for (name,) in cursor.fetchall()}
    return [
        model
        for model in apps.get_models()
        if is_history(model)
        and model is not ChainLink
        and (_is_numbered(model) or model._meta.db_table in ordered)
    ]


def _columns(model: type[Model]) -> set[str]:
    fields: Iterable[Any] = model._meta.concrete_fields
    return {field.column for field in fields}


def _is_numbered(model: type[Model]) -> bool:
    return isinstance(model._meta.pk, AutoField | BigAutoField)


def _source(model: type[Model]) -> Source:
    key: Any = model._meta.pk
    return Source(
        label=model._meta.label,
        table=model._meta.db_table,
        order=key.column if _is_numbered(model) else ORDER,
        personal=personal_columns(model),
        has_context=issubclass(model, Event),
    )
