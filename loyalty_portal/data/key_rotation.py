"""Re-encrypts all secrets with the newest of FIELD_ENCRYPTION_KEYS while the portal runs.

Each value says which key encrypted it, so an interrupted run can simply be repeated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from django.apps import apps
from django.conf import settings
from django.db import IntegrityError, connection, models, transaction
from django.utils.module_loading import import_string

from loyalty_portal.data.encrypted_field import (
    DecryptionError,
    EncryptedTextField,
    Fingerprinted,
    fingerprint,
    listed_keys,
    newest_key,
    sealed_with,
)
from loyalty_portal.data.trouble import retried

BATCH = 500  # rows in one transaction


@dataclass(frozen=True, slots=True)
class RotationProgress:
    """Progress in one table after a batch: rows done, rows in total, and error messages."""

    table: str
    turned: int
    of: int
    wrong: tuple[str, ...]


class Secrets(Protocol):
    """The secrets in one table. settings.OTHER_SECRETS names those of tables that are not ours, and
    so have no EncryptedTextField.
    """

    table: str

    def behind(self) -> list[Any]:
        """The primary keys of the rows that must be re-encrypted, in order."""

    def uses(self, key: str) -> bool:
        """Whether a row is encrypted with the key of this id."""

    def turn(self, keys: list[Any]) -> list[str]:
        """Re-encrypt the secrets of these rows, in a transaction. Returns a message for each row
        that failed.
        """


def rotate(*, batch: int = BATCH) -> Iterator[RotationProgress]:
    """Re-encrypt all values that are not under the newest key or not bound to their row."""
    for secrets in _all():
        keys = secrets.behind()
        for start in range(0, len(keys), batch):
            some = keys[start : start + batch]
            wrong = tuple(retried(partial(secrets.turn, some)))
            yield RotationProgress(secrets.table, min(start + batch, len(keys)), len(keys), wrong)


def unused_keys() -> list[str]:
    """The ids of listed keys, except the newest, that no stored value uses any more."""
    return [key for key in listed_keys()[1:] if not any(each.uses(key) for each in _all())]


def left() -> int:
    """The number of rows that `rotate` would still have to re-encrypt."""
    return sum(len(secrets.behind()) for secrets in _all())


def _all() -> list[Secrets]:
    ours: list[Secrets] = [
        _Columns(model)
        for model in apps.get_models()
        if _secret_fields(model) and model._meta.managed and not model._meta.proxy
    ]
    return ours + [import_string(name)() for name in settings.OTHER_SECRETS]


class _Columns:
    """The EncryptedTextFields of a model."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model
        self.table = model._meta.db_table

    def behind(self) -> list[Any]:
        return _behind(self._model)

    def uses(self, key: str) -> bool:
        return _uses(self._model, key)

    def turn(self, keys: list[Any]) -> list[str]:
        return _turn(self._model, keys)


def _secret_fields(model: type[models.Model]) -> list[EncryptedTextField]:
    return [each for each in model._meta.local_fields if isinstance(each, EncryptedTextField)]


def _behind(model: type[models.Model]) -> list[Any]:
    """The primary keys of a table's rows that must be re-encrypted, in order."""
    newest = newest_key()
    conditions = [f"{_quoted(each)} NOT LIKE %s" for each in _secret_fields(model)]
    starts = [f"{sealed_with(newest)}%"] * len(conditions)
    if issubclass(model, Fingerprinted):
        conditions.append("fingerprint NOT LIKE %s")
        starts.append(f"{newest}.%")
    return _keys_where(model, " OR ".join(conditions), starts)


def _uses(model: type[models.Model], key: str) -> bool:
    conditions = [f"{_quoted(each)} LIKE %s" for each in _secret_fields(model)]
    starts = [f"v_.{key}.%"] * len(conditions)
    if issubclass(model, Fingerprinted):
        conditions.append("fingerprint LIKE %s")
        starts.append(f"{key}.%")
    return bool(_keys_where(model, " OR ".join(conditions), starts, limit="LIMIT 1"))


def _keys_where(
    model: type[models.Model], condition: str, params: list[str], *, limit: str = ""
) -> list[Any]:
    table, key = connection.ops.quote_name(model._meta.db_table), _quoted(model._meta.pk)
    with connection.cursor() as cursor:
        # All names come from the models, so no input enters the SQL.
        asked = f"SELECT {key} FROM {table} WHERE {condition} ORDER BY {key} {limit}"  # noqa: S608
        cursor.execute(asked, params)
        return [key for (key,) in cursor.fetchall()]


def _quoted(column: Any) -> str:
    return connection.ops.quote_name(column.column)


@transaction.atomic
def _turn(model: type[models.Model], keys: list[Any]) -> list[str]:
    """Re-encrypt the secrets of these rows. Returns a message for each row that failed."""
    names = [each.name for each in _secret_fields(model)]
    wrong = []
    rows = model._base_manager.select_for_update(no_key=True, of=("self",))  # noqa: SLF001 - it is documented
    for row in rows.filter(pk__in=keys).order_by("pk"):
        where = f"{model._meta.db_table} {row.pk}"
        try:
            with transaction.atomic():
                if isinstance(row, Fingerprinted):
                    row.fingerprint = fingerprint(row.secret())
                    row.save(update_fields=[*names, "fingerprint"])
                else:
                    row.save(update_fields=names)
        except DecryptionError as error:
            wrong.append(f"{where}: {error}")
        except IntegrityError:
            wrong.append(f"{where}: the same code stands in another row")
    return wrong
