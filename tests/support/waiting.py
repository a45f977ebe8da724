"""Waits for other processes, and runs functions in parallel."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

Found = TypeVar("Found")

PAUSE = 0.03  # seconds between two polls


def eventually(
    look: Callable[[], Found], what: str, *, within: float = 40.0, pause: float = PAUSE
) -> Found:
    """Poll until `look` returns something true, and return it. Fails with a message about
    `what`.
    """
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {within:g} s"
        time.sleep(pause)
    return found


def all_at_once(deeds: Sequence[Callable[[], Found]]) -> list[Found]:
    """Call each function in its own thread, all at the same moment. Returns the results."""
    start = Barrier(len(deeds))

    def do(deed: Callable[[], Found]) -> Found:
        start.wait()
        return deed()

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(do, deeds))
