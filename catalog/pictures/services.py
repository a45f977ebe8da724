"""Stores uploaded pictures and keeps their order. The first one is the product's `cover`.

Files are named by their content, so writing one again changes nothing, and they stay when a picture
is taken away: copies of the product, cached pages and restored backups may still show them.
"""

from collections.abc import Iterable, Sequence

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from catalog.freshness import products_changed
from catalog.models import Product, ProductPicture
from catalog.pictures.images import EncodedPicture, PictureError
from catalog.services import as_user
from loyalty_portal.data.actor import Actor

MOST_PICTURES = 12  # of one product
FOLDER = "products"


def stored_name(digest: str, side: int) -> str:
    """The name of a picture's file in the storage."""
    return f"{FOLDER}/{digest}-{side}.webp"


def read_picture(*, digest: str, side: int) -> bytes | None:
    """The stored file of a picture; None when there is none."""
    try:
        with default_storage.open(stored_name(digest, side)) as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def add_pictures(
    *, product: Product, pictures: Sequence[EncodedPicture], by: Actor
) -> list[ProductPicture]:
    """Add uploaded pictures after those that the product has, in this order.

    A picture that the product has already is left out. Raises PictureError when they are too many.
    """
    for picture in pictures:
        for side, data in picture.files.items():
            _store(stored_name(picture.digest, side), data)
    rows = {
        each.digest: ProductPicture(digest=each.digest, width=each.width, height=each.height)
        for each in pictures
    }
    return _append(product, rows.values(), by)


def _store(name: str, data: bytes) -> None:
    """Write a file that is not there, or that a process which died has left unfinished."""
    if default_storage.exists(name):
        if default_storage.size(name) == len(data):
            return
        default_storage.delete(name)
    default_storage.save(name, ContentFile(data))


def copy_pictures(*, source: Product, product: Product, by: Actor) -> list[ProductPicture]:
    """Give a product the pictures of another, with their texts. They share the files."""
    rows = (
        ProductPicture(digest=each.digest, width=each.width, height=each.height, alt=each.alt)
        for each in source.pictures.all()
    )
    return _append(product, rows, by)


def _append(product: Product, rows: Iterable[ProductPicture], by: Actor) -> list[ProductPicture]:
    with transaction.atomic(), as_user(by):
        Product.objects.select_for_update(no_key=True).get(pk=product.pk)
        there = set(product.pictures.values_list("digest", flat=True))
        new = [row for row in rows if row.digest not in there]
        if len(there) + len(new) > MOST_PICTURES:
            raise PictureError(
                _("A product has at most %(most)s pictures.") % {"most": MOST_PICTURES}
            )
        last = product.pictures.aggregate(last=Max("position"))["last"]
        start = 0 if last is None else last + 1
        for position, row in enumerate(new, start):
            row.product, row.position = product, position
        ProductPicture.objects.bulk_create(new)
        settle_cover(product=product)
    return new


def settle_cover(*, product: Product) -> None:
    """Make the first picture the product's cover, after its pictures or their order changed."""
    first = product.pictures.order_by("position", "created_at", "id").first()
    product.cover = first.digest if first else ""
    Product.objects.filter(pk=product.pk).exclude(cover=product.cover).update(cover=product.cover)
    products_changed({product.slug})
