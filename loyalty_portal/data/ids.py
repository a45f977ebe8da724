"""Time-ordered UUIDs, and order numbers that are easy to read aloud."""

import re
import secrets
import uuid
from datetime import datetime

from uuid_utils.compat import uuid7 as _uuid7

# Leaves out characters that look alike (0/O, 1/I/L, U/V) and vowels, which would make words.
READABLE = "23456789BCDFGHJKMNPQRSTWXYZ"


def uuid7() -> uuid.UUID:
    """A version 7 UUID. Later ones sort later, so that indexes grow at one end."""
    return _uuid7()


def first_uuid7(moment: datetime) -> uuid.UUID:
    """The lowest version 7 UUID of this moment: those that were made before it are lower."""
    return uuid.UUID(int=(int(moment.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))


def readable(letter: str) -> str:
    """A random number such as `R-7KQ4M-2XDTP`. There are 27**10, so they cannot be guessed."""
    drawn = [secrets.choice(READABLE) for _ in range(10)]
    return f"{letter}-{''.join(drawn[:5])}-{''.join(drawn[5:])}"


def order_number() -> str:
    """The number of a new order."""
    return readable("R")


_NUMBER = re.compile(r"R?([A-Z0-9]{5})([A-Z0-9]{5})")


def order_number_in(text: str) -> str:
    """The order number that somebody typed or scanned, with or without dashes; "" if it is none."""
    found = _NUMBER.fullmatch(re.sub(r"[\s-]", "", text).upper())
    return f"R-{found[1]}-{found[2]}" if found else ""
