"""Addresses of the catalogue's pages and pictures. All pictures are on this host."""

import re
import zlib
from functools import cache
from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

DRAWN_AS = 2  # increase this when pictures/artwork.py draws the same product differently
DIGEST_LENGTH = 40  # characters of a picture's name
SIDES = (320, 640, 1280)  # pixels of the longer side in which each uploaded picture is kept
CARD_SIDE = 640
# One path on this host: no second slash, which names another host, and no backslash, which
# browsers read as a slash.
_OWN = re.compile(r"/(?![/\\])[^\\\s\x00-\x1f<>\"']*")


@cache
def shelf_address() -> str:
    """The address of the catalogue, without slug. Cards add the slug, which is faster than
    reverse().
    """
    return reverse("catalog:list")


def picture_trouble(address: str) -> str:
    """Why this address cannot be a product's picture, as a sentence; "" when it can, or is empty.

    Forms and imports ask this function. Pages show nothing from other hosts.
    """
    if not address or _OWN.fullmatch(address):
        return ""
    if re.match(r"[a-z][a-z0-9+.-]*:|//", address, re.IGNORECASE):
        return _("A picture cannot be at another host. Upload it, or give an address here with /.")
    return _("The address of a picture begins with / and has no blanks, such as /media/mug.jpg.")


def upload_address(digest: str, side: int) -> str:
    """The address of an uploaded picture in one of SIDES. It changes with the picture."""
    return f"{shelf_address()}pictures/{digest}-{side}.webp"


def picture_address(*, slug: str, cover: str, image_url: str, drawn: str, category_id: UUID) -> str:
    """The address of the product's uploaded picture, else of its `image_url`, else of its drawing.

    Pages load nothing from other hosts. A drawing's address contains a hash of `drawn` (name,
    brand, variant), so that browsers may cache it forever.
    """
    if cover:
        return upload_address(cover, CARD_SIDE)
    if image_url and not picture_trouble(image_url):
        return image_url
    version = zlib.crc32(f"{DRAWN_AS}{drawn}{category_id}".encode())
    return f"{shelf_address()}artwork/{slug}.svg?v={version:x}"
