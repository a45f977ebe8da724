"""How far the index of this machine is: whether pages may ask it; for /readyz, doctor and figures.

Ages are counted by a clock that nobody sets. The machine's own only says how old a note was that
this process finds for the first time: when that clock jumps, no index becomes old or young by it.
"""

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from django.conf import settings

from catalog.search import folders
from loyalty_portal.metrics.state import StateFigure

_FILE = "state.json"
_USUAL = 2.0  # seconds between two notes, which nobody is told of
SILENT_SECONDS = 30.0  # after which a follower counts as gone


@dataclass(frozen=True, slots=True)
class FollowerState:
    """What the follower says. `at`: when, by the database's clock. `place_at`: up to when the index
    has everything. `waiting`: products of large changes that are still to be written.
    """

    at: datetime
    place_at: datetime
    waiting: int


class _FollowerNote:
    """The note of how far the follower is, as this process saw it. Threads share it."""

    def __init__(self) -> None:
        self.root = folders.root()
        self._lock = Lock()
        self._stamp: tuple[int, int] | None = None
        self._looked: float | None = None
        self._written = time.monotonic()  # when the note was, by this clock
        self.behind, self.waiting = 0.0, 0

    @property
    def is_silent(self) -> bool:
        """Whether nobody follows the changes."""
        return self._stamp is None or self.age() > SILENT_SECONDS

    def age(self) -> float:
        """Seconds since the note was written; since the first look if there is none."""
        with self._lock:
            now = time.monotonic()
            with suppress(OSError, ValueError, KeyError, TypeError):
                self._read(now)
            self._looked = now
            return now - self._written

    def _read(self, now: float) -> None:
        file = self.root / _FILE
        state = file.stat()
        stamp = (state.st_mtime_ns, state.st_ino)
        if stamp == self._stamp:
            return
        told = json.loads(file.read_text())
        self.behind, self.waiting = float(told["behind"]), int(told["waiting"])
        age = max(time.time() - state.st_mtime, 0.0)
        if self._looked is not None:
            age = min(age, now - self._looked)  # it was not there at the last look
        self._stamp, self._written = stamp, now - age


_here: _FollowerNote | None = None


def _note() -> _FollowerNote:
    global _here  # noqa: PLW0603 - one for each process
    if _here is None or _here.root != folders.root():
        _here = _FollowerNote()
    return _here


def lateness() -> float:
    """Seconds that the index is behind at most: what its follower said, and how long ago."""
    note = _note()
    return max(note.age() - _USUAL, 0.0) + note.behind


def too_late() -> str:
    """Why the index is too old to be asked; "" if it is not."""
    most = settings.SEARCH_MAX_LAG
    if lateness() <= most:
        return ""
    if _note().is_silent:
        return f"nobody has followed the changes for more than {most:.0f} s"
    return f"it is more than {most:.0f} s behind"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the index stands. `behind`: seconds, None when nobody follows. `wrong`: why it is not
    used, "" if it is.
    """

    behind: float | None
    waiting: int
    wrong: str

    @property
    def sentence(self) -> str:
        """In a few words; "ok" when all is well."""
        if self.wrong:
            return f"is not used: {self.wrong}"
        if self.behind is None:
            return "nobody follows the changes"
        if self.behind > 10:
            return f"is {self.behind:.0f} s behind"
        return "ok"


def write_state(state: FollowerState) -> None:
    """Note how far the follower is."""
    told = {
        "at": state.at.isoformat(),
        "behind": max((state.at - state.place_at).total_seconds(), 0.0),
        "waiting": state.waiting,
        "pid": os.getpid(),
    }
    folders.write_whole(folders.root() / _FILE, told, durable=False)


def standing() -> Standing:
    """How the index of this machine stands. Never raises."""
    try:
        folders.verify(folders.current().folder, sums=False)
        wrong = too_late()
    except folders.IndexUnusableError as error:
        wrong = str(error)
    behind, note = lateness(), _note()
    return Standing(None if note.is_silent else behind, note.waiting, wrong)


def readiness() -> str:
    """What /readyz says of the index: "ok", or what is wrong in a few words, without a path."""
    return standing().sentence


def told() -> Iterator[StateFigure]:
    """How the index of this machine stands, for Prometheus."""
    now = standing()
    yield StateFigure(
        "portal_search_used",
        "Whether the search index of this machine is used; without it PostgreSQL answers.",
        [((), float(not now.wrong))],
    )
    yield StateFigure(
        "portal_search_lag_seconds",
        "Seconds that the search index is behind; infinite when nobody follows the changes.",
        [((), math.inf if now.behind is None else now.behind)],
    )
    yield StateFigure(
        "portal_search_waiting_products",
        "Products of large changes that are still to be written into the search index.",
        [((), float(now.waiting))],
    )
