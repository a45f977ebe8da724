"""Pages of long lists by keyset: a cursor says after which row the next page begins.

A page costs the same wherever it is, and rows that come meanwhile shift none. A cursor is signed
and bound to its list, filters and company.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

from django.core import signing
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from loyalty_portal.api.problems import ApiProblemError
from loyalty_portal.api.shapes import PageAsked

Row = TypeVar("Row", bound=Model)
SALT = "loyalty_portal.api.cursor"
_NOT_FILTERS = {"after", "limit"}


def page_after(
    rows: QuerySet[Row], *, by: Sequence[str], asked: PageAsked, request: HttpRequest, bound: object
) -> tuple[list[Row], str | None]:
    """One page of rows, and the address of the next page; None when it is the last.

    `by`: the columns that order the list, one or two, each with "-" for descending; together they
    are unique. `bound`: the company whose list it is. Raises ApiProblemError for a foreign cursor.
    """
    columns = [column.removeprefix("-") for column in by]
    list_id = _identity(request, bound)
    if asked.after:
        rows = rows.filter(_beyond(by, _read(asked.after, list_id, len(by))))
    found = list(rows.order_by(*by)[: asked.limit + 1])
    if len(found) <= asked.limit:
        return found, None
    last = found[asked.limit - 1]
    cursor = signing.dumps([list_id, *(_text(getattr(last, name)) for name in columns)], salt=SALT)
    query = request.GET.copy()
    query["after"] = cursor
    return found[: asked.limit], f"{request.path}?{query.urlencode()}"


def _beyond(by: Sequence[str], values: Sequence[str]) -> Q:
    """The rows after these values. The first column alone bounds them too, so that its index
    serves.
    """
    first, *second = by
    name, compare = first.removeprefix("-"), "lt" if first.startswith("-") else "gt"
    beyond = Q((f"{name}__{compare}", values[0]))
    if not second:
        return beyond
    tie = Q((f"{second[0].removeprefix('-')}__{compare}", values[1]))
    return Q((f"{name}__{compare}e", values[0])) & (beyond | tie)


def _identity(request: HttpRequest, bound: object) -> str:
    """A digest of the list: its address, filters and company."""
    filters = sorted(
        (name, value)
        for name, values in request.GET.lists()
        if name not in _NOT_FILTERS
        for value in values
    )
    about = f"{request.path} {bound} {filters}"
    return hashlib.sha256(about.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _read(cursor: str, list_id: str, length: int) -> list[str]:
    try:
        said: Any = signing.loads(cursor, salt=SALT)
    except (signing.BadSignature, ValueError):
        raise ApiProblemError("invalid_cursor") from None
    if not isinstance(said, list) or len(said) != length + 1 or said[0] != list_id:
        raise ApiProblemError("invalid_cursor")
    return said[1:]


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
