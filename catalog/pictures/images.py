"""Reads uploaded pictures, refuses what is none, and encodes them anew.

Only what we encode ourselves is kept and sent. So no metadata, such as the place where a picture
was taken, and nothing that hides in a file reaches a browser.
"""

import re
import struct
import zipfile
import zlib
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO

from django.utils.translation import gettext as _
from PIL import Image, ImageCms, ImageOps

from catalog.models.addresses import DIGEST_LENGTH, SIDES

MOST_BYTES = 12 * 1024 * 1024
MOST_PIXELS = 40_000_000  # 40 million; decoded, one takes 3 or 4 bytes
LEAST_SIDE = 200  # pixels; less is blurred on the product page
LONGEST_SHAPE = 6  # how many times longer one side may be than the other
QUALITY = 82
FORMATS = ("JPEG", "PNG", "WEBP")
# A JPEG of several pictures, as some cameras write it; the first is taken.
_READ_AS = {*FORMATS, "MPO"}
# Beginnings of web pages, programs and archives, which may hide behind or inside a picture.
_HIDDEN = re.compile(
    rb"<(?:script|html|svg)[\s>]|<!doctype\s|<\?php\s|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c",
    re.IGNORECASE,
)
_PICTURES = (b"\xff\xd8", b"\x89PNG", b"RIFF")  # how files of FORMATS begin
_PDF_WITHIN = 1024  # bytes in which readers look for a PDF's beginning
# Everything that Pillow raises for broken files.
_BROKEN = (
    OSError, ValueError, SyntaxError, EOFError, OverflowError, TypeError, KeyError, IndexError,
    struct.error, zlib.error,
)  # fmt: skip


class PictureError(Exception):
    """A file is no picture that we take. The message is a sentence for the person who sent it."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture as it is stored: a WebP file for each of SIDES, and the size of the largest."""

    digest: str
    width: int
    height: int
    files: dict[int, bytes]


def encode_picture(data: bytes) -> EncodedPicture:
    """Read a JPEG, PNG or WebP file and encode it in all sizes, upright and in sRGB.

    Raises PictureError. The number of pixels is read from the header and checked before any is
    decoded.
    """
    if len(data) > MOST_BYTES:
        raise PictureError(
            _("The file is larger than %(most)s MB. Save the picture smaller.")
            % {"most": MOST_BYTES // 1024**2}
        )
    if _is_something_else(data):
        raise PictureError(
            _("The file is a picture and something else at once, such as a web page or an archive.")
        )
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            _check_size(picture)
            return _encoded(_upright(picture))
    except Image.DecompressionBombError:
        raise PictureError(_too_many_pixels()) from None
    except _BROKEN as error:
        raise PictureError(_why_broken(data)) from error


def _is_something_else(data: bytes) -> bool:
    if not data.startswith(_PICTURES):
        return False
    return (
        b"%PDF-" in data[:_PDF_WITHIN]
        or _HIDDEN.search(data) is not None
        or zipfile.is_zipfile(BytesIO(data))
    )


def _check_size(picture: Image.Image) -> None:
    if picture.format not in _READ_AS:
        raise PictureError(_no_picture())
    width, height = picture.size
    if width * height > MOST_PIXELS:
        raise PictureError(_too_many_pixels())
    if min(width, height) < LEAST_SIDE:
        raise PictureError(
            _("The picture has %(width)s × %(height)s pixels. Each side needs at least %(least)s.")
            % {"width": width, "height": height, "least": LEAST_SIDE}
        )
    if max(width, height) > LONGEST_SHAPE * min(width, height):
        raise PictureError(
            _("The picture is a strip of %(width)s × %(height)s pixels. Cut it to its subject.")
            % {"width": width, "height": height}
        )


def _upright(picture: Image.Image) -> Image.Image:
    """Decode the picture in a mode that WebP has, turned as its EXIF data says, in sRGB."""
    if picture.format in {"JPEG", "MPO"}:
        # Decodes at a half, a quarter or an eighth where that is enough, which takes less memory.
        picture.draft("RGB", (SIDES[-1], SIDES[-1]))
    picture.load()
    profile = picture.info.get("icc_profile")
    turned = ImageOps.exif_transpose(picture)
    has_alpha = turned.mode in {"RGBA", "LA", "PA"} or "transparency" in turned.info
    if profile and turned.mode in {"RGB", "CMYK"}:
        turned = _in_srgb(turned, profile)
    return turned.convert("RGBA" if has_alpha else "RGB")


def _in_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    """Convert the colours. A profile that cannot be read is ignored, as browsers do."""
    try:
        converted = ImageCms.profileToProfile(
            picture,
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError):
        return picture
    return converted or picture


def _encoded(picture: Image.Image) -> EncodedPicture:
    files: dict[int, bytes] = {}
    for side in reversed(SIDES):
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
        if side == SIDES[-1]:
            width, height = picture.size
        file = BytesIO()
        clean = Image.frombytes(picture.mode, picture.size, picture.tobytes())  # without metadata
        clean.save(file, "WEBP", quality=QUALITY, method=4)
        files[side] = file.getvalue()
    digest = blake2b(files[SIDES[-1]], digest_size=DIGEST_LENGTH // 2).hexdigest()
    return EncodedPicture(digest, width, height, files)


def _why_broken(data: bytes) -> str:
    if b"<svg" in data[:4096].lower():
        return _("SVG drawings are not taken: they can contain programs. Save it as PNG.")
    if data.startswith(_PICTURES):
        return _("The picture is damaged or was not sent completely. Open it, save it, try again.")
    return _no_picture()


def _no_picture() -> str:
    return _("The file is no picture that can be shown. JPEG, PNG and WebP can.")


def _too_many_pixels() -> str:
    return _("The picture has more than %(most)s million pixels. Save it smaller.") % {
        "most": MOST_PIXELS // 1_000_000
    }
