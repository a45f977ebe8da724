"""Picture files for tests, made with Pillow."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image


def picture(
    width: int = 800, height: int = 600, *, kind: str = "JPEG", colour: Any = "teal", **saved: Any
) -> bytes:
    """A file of one colour, with a corner of another, so that turning it can be seen."""
    mode = "RGB" if kind == "JPEG" else "RGBA"
    made = Image.new(mode, (width, height), colour)
    made.paste("gold", (0, 0, width // 4, height // 4))
    file = BytesIO()
    made.save(file, kind, **saved)
    return file.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header says that it is this large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(10_000_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
