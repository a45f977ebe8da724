"""Waiting for what other processes do, and doing many things at once."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
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


def all_at_once(deeds: Sequence[Callable[[], Found]]) -> list[Found]:
    """Each in a thread of its own, none before all are ready; what each came to."""
    start = Barrier(len(deeds))

    def do(deed: Callable[[], Found]) -> Found:
        start.wait()
        return deed()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))
