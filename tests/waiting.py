"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")

PAUSE = 0.03  # seconds between two looks


def eventually(
    look: Callable[[], Found], what: str, *, within: float = 40.0, pause: float = PAUSE
) -> Found:
    """The first answer of `look` that is true; an AssertionError that names `what` never came."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        time.sleep(pause)
    return found
