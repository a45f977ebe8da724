"""Writes what staff enter: variants of a family, and saved views of the list of products."""

from django.db import connection
from django.db.models import Max

from catalog.models import Family, Product
from catalog.services import save_product
from loyalty_portal.data.actor import Actor

# What a new variant takes over from another.
_SHARED = (
    "product_type", "category", "brand", "description", "minimum_tier", "available_from",
    "available_until",
)  # fmt: skip


def hold_key(kind: str, key: str) -> None:
    """Make others who are about to use the same SKU or code wait until this transaction ends.

    A form asks this before it checks whether the key is free, so of two people who add one SKU at
    once the second reads a sentence.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [f"{kind}:{key.upper()}"])


def add_variant(*, family: Family, like: Product, variant: Product, by: Actor) -> Product:
    """Add a variant to a family, after the others.

    `variant` has what is its own: SKU, options, points, whether it is active. Everything else is
    taken from `like`, another variant or one that is not stored.
    """
    for name in _SHARED:
        setattr(variant, name, getattr(like, name))
    variant.name = ", ".join(filter(None, (family.name, variant.variant)))[:255]
    variant.family = family
    last = family.products.aggregate(last=Max("variant_position"))["last"]
    variant.variant_position = 1 if last is None else last + 1
    return save_product(product=variant, by=by)
