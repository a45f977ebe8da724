"""What is kept of the catalogue for some minutes, and forgotten as soon as it changes.

The catalogue is read far more often than it changes, and one tier sees one catalogue. A product
that is saved, or passes between in stock, low and out, is shown so at once; windows in time open
and close up to SECONDS late. Redemption checks all of it anew.
"""

import hashlib
import secrets
from collections.abc import Callable, Hashable
from typing import TypeVar

from django.core.cache import cache
from django.db import transaction
from django.utils.translation import get_language

from loyalty_portal.data.shapes import shape_of

SECONDS = 300
_VERSION = "catalog:version"
Value = TypeVar("Value")


def remember(name: str, kind: Hashable, asked: object, make: Callable[[], Value]) -> Value:
    """What `make` gave for `asked` in this language, at most SECONDS ago.

    `kind` is the type of the value. `asked` is told apart by its repr. None is not cached: it may
    be asked for without end.
    """
    digest = hashlib.blake2b(repr((asked, get_language())).encode(), digest_size=16).hexdigest()
    key = f"catalog:{name}:{shape_of(kind)}:{digest}"
    found = cache.get_many([_VERSION, key])
    version = found.get(_VERSION, "")
    entry: tuple[str, Value] | None = found.get(key)
    if entry is not None and entry[0] == version:
        return entry[1]
    value = make()
    if value is not None:
        cache.set(key, (version, value), SECONDS)
    return value


def products_changed() -> None:
    """To be called inside the transaction that changes them: forgets all once it is committed."""
    transaction.on_commit(_forget)


def _forget() -> None:
    cache.set(_VERSION, secrets.token_hex(8), None)
