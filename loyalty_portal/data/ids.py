"""Keys and numbers: UUIDs in order of time, and order numbers that can be read on the phone."""

import secrets
import uuid

from uuid_utils.compat import uuid7 as _uuid7

# No 0/O, 1/I/L, U/V look-alikes or vowels that would spell words.
READABLE = "23456789BCDFGHJKMNPQRSTWXYZ"


def uuid7() -> uuid.UUID:
    """A version 7 UUID: rows made later sort later, so indexes grow at one end."""
    return _uuid7()


def order_number() -> str:
    """Such as `R-7KQ4M-2XDTP`: 27**10 of them, drawn at random, so none can be guessed."""
    drawn = [secrets.choice(READABLE) for _ in range(10)]
    return f"R-{''.join(drawn[:5])}-{''.join(drawn[5:])}"
