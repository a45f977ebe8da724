"""The index as this process has it open.

It is opened by the first question after a fork: one that was opened before never sees a commit.
"""

import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import tantivy

from catalog.search import folders
from catalog.search.state import too_late

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.2  # between two looks for a new commit
RETRY_SECONDS = 5.0  # after which one that could not be opened is tried again


@dataclass(frozen=True, slots=True)
class OpenIndex:
    """The index as of one commit. `generation` differs for each."""

    searcher: tantivy.Searcher
    generation: str


class _Opened:
    """What one process has open. Threads share it."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.pid, self.root = os.getpid(), folders.root()
        self.looked = 0.0
        self.current: folders.Current | None = None
        self.index: tantivy.Index | None = None
        self.commit: tuple[int, int] = (0, 0)
        self.reading: OpenIndex | None = None
        self.wrong = ""
        self.told = ""

    def read(self) -> OpenIndex:
        now = time.monotonic()
        wait = RETRY_SECONDS if self.wrong else LOOK_SECONDS
        if self.looked and now - self.looked < wait:
            return self._last()
        with self.lock:
            self.looked = now
            try:
                self._look()
                self.wrong = ""
            except folders.IndexUnusableError as error:
                self.wrong = str(error)
            except (OSError, ValueError) as error:  # Tantivy's own are ValueErrors
                self.wrong = f"it cannot be opened ({type(error).__name__})"
            if self.wrong != self.told:
                self.told = self.wrong
                if self.wrong:
                    logger.warning("the search index is not used: %s", self.wrong)
                else:
                    logger.warning("the search index is used again")
        return self._last()

    def _last(self) -> OpenIndex:
        if self.wrong or self.reading is None:
            raise folders.IndexUnusableError(self.wrong or "it is being opened")
        return self.reading

    def _look(self) -> None:
        current = folders.current()
        if self.index is None or current != self.current:
            folders.verify(current.folder)
            self.index = tantivy.Index.open(str(current.folder))
            self.index.config_reader("manual", 0)
            self.current, self.commit = current, (0, 0)
        if late := too_late():
            raise folders.IndexUnusableError(late)
        state = _commit(current.folder)
        if state != self.commit:
            self.index.reload()
            self.commit = state
            self.reading = OpenIndex(self.index.searcher(), f"{current.folder.name}:{state[0]}")


def _commit(folder: Path) -> tuple[int, int]:
    state = (folder / "meta.json").stat()
    return state.st_mtime_ns, state.st_ino


_here = _Opened()


def reading() -> OpenIndex:
    """The index as of now, at most LOOK_SECONDS late. Raises `folders.IndexUnusableError`."""
    global _here  # noqa: PLW0603 - one for each process
    if _here.pid != os.getpid() or _here.root != folders.root():
        _here = _Opened()
    return _here.read()


def look_again() -> None:
    """Look for a new commit, or try a folder that could not be opened, with the next question."""
    _here.looked = 0.0
