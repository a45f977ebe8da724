"""Stable parts of addresses, made of names."""

import hashlib
from collections.abc import Callable, Mapping

from catalog.models import Product
from catalog.texts.words import slug_of


def category_slug(name: str) -> str:
    """The stable code of a category, made from its name. Renaming the category keeps the code."""
    return slug_of(name)[:140] or _digest(name)


def free_slugs(names: Mapping[str, str]) -> dict[str, str]:
    """A free slug for each new product, whose names are given by SKU: its name, then name and SKU,
    then name and a digest.
    """
    ways: tuple[Callable[[str, str], str], ...] = (
        lambda _sku, name: slug_of(name)[:200],
        lambda sku, name: f"{slug_of(name)[:120]}-{slug_of(sku)}".strip("-"),
        lambda sku, name: f"{slug_of(name)[:120]}-{_digest(sku)}".strip("-"),
    )
    slugs: dict[str, str] = {}
    used: set[str] = set()
    for way in ways:
        proposed = {sku: way(sku, name) for sku, name in names.items() if sku not in slugs}
        used |= set(
            Product.objects.filter(slug__in=proposed.values()).values_list("slug", flat=True)
        )
        for sku, slug in proposed.items():
            if slug and slug not in used:
                slugs[sku] = slug
                used.add(slug)
    return slugs


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
