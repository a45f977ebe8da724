"""The catalogue's cache. Values expire after SECONDS, and all are dropped when products change.

The catalogue is read far more often than it changes, and all companies of a tier see the same. A
saved product, or a change between in stock, low and out, drops the cache at once. The dates between
which a product is offered take effect up to SECONDS late. Placing an order checks everything again
in the database.
"""

import hashlib
import secrets
from collections.abc import Callable, Hashable
from typing import TypeVar

from django.core.cache import cache
from django.db import transaction
from django.utils.translation import get_language

from loyalty_portal.data.shapes import shape_of
from loyalty_portal.fastpath.fragments import cached_value

SECONDS = 300
_VERSION = "catalog:version"
Value = TypeVar("Value")


def remember(name: str, kind: Hashable, asked: object, make: Callable[[], Value]) -> Value:
    """Return the cached value for `asked`, or call `make` and cache its result for SECONDS.

    The key is made of `kind` (the value's type), repr(`asked`) and the current language. None is
    not cached: made-up addresses would fill the cache with it.
    """
    digest = hashlib.blake2b(repr((asked, get_language())).encode(), digest_size=16).hexdigest()
    key = f"catalog:{name}:{shape_of(kind)}:{digest}"
    return cached_value(key, version_key=_VERSION, seconds=SECONDS, make=make)


def products_changed() -> None:
    """Drop all cached values once the current transaction commits."""
    transaction.on_commit(_forget)


def _forget() -> None:
    cache.set(_VERSION, secrets.token_hex(8), None)


_SYNONYMS = "catalog:synonyms"


def synonyms_changed() -> None:
    """Have all processes read the words that mean the same again, once the transaction commits."""
    transaction.on_commit(lambda: cache.delete(_SYNONYMS))


def remembered_synonyms(make: Callable[[], list[str]]) -> list[str]:
    """The words that mean the same, as staff keep them."""
    found: list[str] | None = cache.get(_SYNONYMS)
    if found is None:
        found = make()
        cache.set(_SYNONYMS, found, SECONDS)
    return found
