"""The catalogue's cache: pages of products, and what changes seldom. Values expire after SECONDS.

The page of a product is dropped at once when it or another of its family changes: saved, dearer, or
between in stock, low and out. All pages are dropped when many products or a category change. The
dates between which a product is offered take effect up to SECONDS late, and so do the counts of a
list that PostgreSQL answers. Lists themselves are not kept (rendered.py). Placing an order checks
everything again in the database.

What each list needs and changes seldom is held in each process for HELD_SECONDS, which is as late
as the search index may be: the names of categories, the words that mean the same, and roughly how
the values of a sort are spread (search/answers.py).
"""

import hashlib
import secrets
from collections.abc import Callable, Collection, Hashable
from typing import TypeVar

from django.core.cache import cache
from django.db import transaction
from django.utils.translation import get_language

from loyalty_portal.data.shapes import shape_of
from loyalty_portal.fastpath.fragments import cached_value, forget_held, held_value

SECONDS = 300
HELD_SECONDS = 2.0
_VERSION = "catalog:version"
Value = TypeVar("Value")


def remember(
    name: str, kind: Hashable, asked: object, make: Callable[[], Value], *, slug: str = ""
) -> Value:
    """Return the cached value for `asked`, or call `make` and cache its result for SECONDS.

    The key is made of `kind` (the value's type), repr(`asked`) and the current language. None is
    not cached: made-up addresses would fill the cache with it. `slug`: of the product whose page it
    is.
    """
    digest = hashlib.blake2b(repr((asked, get_language())).encode(), digest_size=16).hexdigest()
    key = f"catalog:{name}:{shape_of(kind)}:{digest}"
    versions = [_VERSION, _version_of(slug)] if slug else [_VERSION]
    return cached_value(key, version_keys=versions, seconds=SECONDS, make=make)


def products_changed(slugs: Collection[str] | None = None) -> None:
    """Drop the pages of these products once the current transaction commits; None: everything."""
    transaction.on_commit(lambda: _forget(slugs))


def _forget(slugs: Collection[str] | None) -> None:
    token = secrets.token_hex(8)
    if slugs is None:
        forget_held()
        cache.set(_VERSION, token, None)
    else:
        # They outlive what was cached before them.
        cache.set_many({_version_of(slug): token for slug in slugs}, 2 * SECONDS)


def _version_of(slug: str) -> str:
    return f"{_VERSION}:{slug}"


def held(name: str, make: Callable[[], Value]) -> Value:
    """The value held in this process, or what `make` returns; it is the same for all languages.

    Other processes see a change up to HELD_SECONDS late; the one that made it, at once.
    """
    return held_value(f"catalog:{name}", seconds=HELD_SECONDS, make=make)


def held_values_changed() -> None:
    """Have this process make its held values again, once the current transaction commits."""
    transaction.on_commit(forget_held)
