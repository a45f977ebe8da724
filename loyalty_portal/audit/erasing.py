"""Erases what is personal in rows of history, without breaking the chain."""

from collections.abc import Collection

import pgtrigger
from django.apps import apps
from django.db import connection, transaction
from django.db.models import Model
from psycopg import sql

from loyalty_portal.audit.chain import chained_upto
from loyalty_portal.audit.digests import rows_between, salts_of, sealed_columns
from loyalty_portal.audit.sources import Source, sources


class NotChainedError(Exception):
    """A row is not in the chain yet, so that nothing of it could be kept. Try again later."""


@transaction.atomic
def erase_personal(model: type[Model], numbers: Collection[int]) -> int:
    """Empty the personal columns of these rows of history. Returns how many rows had any.

    Their salted digests stay and their salts go, so that the chain still holds and nobody can find
    the values by trying. The one place besides the demo that changes history. Raises
    NotChainedError.
    """
    source = sources()[model._meta.label]
    if numbers and max(numbers) > chained_upto(source.label):
        raise NotChainedError
    done = 0
    for number, salt in salts_of(source, numbers).items():
        if salt.salt is None:
            continue
        [(_number, row)] = rows_between(source, number - 1, number, 1)
        salt.kept = sealed_columns(row, source.personal, bytes(salt.salt))
        salt.salt = None
        salt.save(update_fields=["kept", "salt"])
        _empty(source, number)
        done += 1
    return done


def _empty(source: Source, number: int) -> None:
    model = apps.get_model(source.label)
    nullable = {field.column for field in model._meta.concrete_fields if field.null}
    columns = [
        sql.SQL("{} = {}").format(
            sql.Identifier(name), sql.SQL("NULL") if name in nullable else sql.Literal("")
        )
        for name in sorted(source.personal)
    ]
    query = sql.SQL("UPDATE {table} SET {columns} WHERE {order} = %s").format(
        table=sql.Identifier(source.table),
        columns=sql.SQL(", ").join(columns),
        order=sql.Identifier(source.order),
    )
    with (
        pgtrigger.ignore(f"{model._meta.label}:rows_stay_as_they_are"),
        connection.cursor() as cursor,
    ):
        cursor.execute(query.as_string(), [number])
