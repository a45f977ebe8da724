"""Packs what lists are sorted by into whole numbers of 64 bits, because the index sorts by one."""

import re
from datetime import datetime
from uuid import UUID

from anyascii import anyascii

from catalog.search.analysis import fold

_LETTERS = " 0123456789abcdefghijklmnopqrstuvwxyz"
_BASE = len(_LETTERS) + 1
_WIDTH = 12  # letters in a number
_PLACES = {letter: place for place, letter in enumerate(_LETTERS, 1)}
_OTHER = re.compile(r"[^a-z0-9]+")
HALF = 2**64
WITH_KEY = 2**32  # what a number is multiplied by to have a part of a key behind it


def name_keys(name: str, *, parts: int) -> tuple[int, ...]:
    """Numbers in whose order names stand as in a list of English or German: accents and signs do
    not count. They hold the first 12 letters each.
    """
    letters = _OTHER.sub(" ", romanized(name)).strip()
    return tuple(_packed(letters[part * _WIDTH : (part + 1) * _WIDTH]) for part in range(parts))


def romanized(name: str) -> str:
    """The name in Roman letters, small and without accents."""
    folded = fold(name)
    return folded if folded.isascii() else anyascii(folded).lower()


def _packed(letters: str) -> int:
    if not letters:
        return 0
    number = 0
    for letter in letters.ljust(_WIDTH, "\0"):
        number = number * _BASE + _PLACES.get(letter, 0)
    return number


def halves(key: UUID) -> tuple[int, int]:
    """A key as two numbers."""
    return divmod(key.int, HALF)


def with_key(value: int, low: int) -> int:
    """A number of 31 bits, with a part of the key behind it so that few are equal."""
    return min(max(value, 0), 2**31 - 1) * WITH_KEY + low % WITH_KEY


def with_key_by_age(moment: datetime, low: int) -> int:
    """A moment to the microsecond, with a part of the key behind it."""
    micro = max(int(moment.timestamp() * 1_000_000), 0)
    return ((micro & (2**51 - 1)) << 12) | (low & 0xFFF)
