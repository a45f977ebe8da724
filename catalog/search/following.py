"""Keeps the index of this machine true, while the catalogue changes.

The follower reads the feed's touches from its place, which is kept in the index. Small changes go
first, so that an import of many products delays nobody. It builds anew when its place is lost or
the index is not whole. It may die at any moment: a commit of the index is whole or not there.
"""

import logging
import shutil
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from uuid import UUID

import tantivy

from catalog.models import TOUCHED
from catalog.search import folders
from catalog.search.building import (
    SMALL_HEAP_BYTES,
    build,
    read_position,
    replace_position,
    replace_products,
    turned_between,
)
from catalog.search.state import FollowerState, write_state
from loyalty_portal.feed.touches import FeedPlace, PlaceLostError, touched_since

logger = logging.getLogger(__name__)

PERIOD = 0.25  # seconds between two looks when nothing happens
PART = 1_000  # products in one commit: a change that comes meanwhile waits for it
TOLD_SECONDS = 1.0  # between two notes of how far it is
# A place that nothing moves on is written down all the same, or it would be past its days.
KEPT_AT_LEAST_EVERY = timedelta(minutes=10)
LEAST_FREE_BYTES = 64 * 1024 * 1024


class IndexFollower:
    """The one process of a machine that changes its index."""

    def __init__(self, tell: Callable[[str], None] = lambda _said: None) -> None:
        self._tell = tell
        self._waiting: deque[UUID] = deque()  # of large changes
        self._open()

    def _open(self) -> None:
        """Open the index in use if it is whole, else build it anew."""
        self._waiting.clear()
        try:
            self._take_over()
        except (folders.IndexUnusableError, ValueError) as wrong:
            self._anew(str(wrong))

    def _anew(self, why: str) -> None:
        logger.warning("the search index is built anew: %s", why)
        self._tell(f"Building the index anew: {why}.")
        self._waiting.clear()
        build()
        self._take_over()

    def _take_over(self) -> None:
        self._current = folders.current()
        self._sums = folders.verify(self._current.folder)
        self._index = tantivy.Index.open(str(self._current.folder))
        self._place, self._told_for = read_position(self._index)
        self._seen = self._place
        self._writer = self._index.writer(heap_size=SMALL_HEAP_BYTES, num_threads=1)
        self._noted = 0.0

    @property
    def folder(self) -> Path:
        return self._current.folder

    def turn(self) -> int:
        """Take over what changed since the last turn. Returns the number of products written.

        Raises DatabaseError while the database is away, OSError when the folder cannot be written.
        """
        if folders.current() != self._current:
            self._tell("Another build is in use; going on with it.")
            self.close()
            self._open()
        try:
            changes, seen = touched_since(source=TOUCHED, place=self._seen)
        except PlaceLostError as lost:
            self.close()
            self._anew(str(lost))
            return 0
        small: dict[UUID, None] = {}
        for keys in changes:
            if len(small) + len(keys) <= PART:
                small.update(dict.fromkeys(keys))
            else:
                self._waiting.extend(keys)
        now = seen.at
        small.update(dict.fromkeys(turned_between(self._told_for, now)))
        self._seen = seen
        while self._waiting and len(small) < PART:
            small[self._waiting.popleft()] = None
        written = self._write(list(small), now)
        self._note(now)
        return written

    def _write(self, keys: list[UUID], now: datetime) -> int:
        if not keys and now - self._place.at < KEPT_AT_LEAST_EVERY:
            return 0
        if shutil.disk_usage(self.folder).free < LEAST_FREE_BYTES:
            raise OSError("the disk of the search index is full")
        rows = replace_products(self._writer, keys, now=now)
        if not self._waiting:
            # Only now has everything up to there been written.
            self._place = self._seen
        self._told_for = now
        replace_position(self._writer, self._place, told_for=now)
        self._writer.commit()
        self._sums = folders.write_manifest(self.folder, self._sums)
        return len(rows)

    def _note(self, now: datetime) -> None:
        if self._waiting or time.monotonic() - self._noted >= TOLD_SECONDS:
            self._noted = time.monotonic()
            write_state(
                FollowerState(at=now, place_at=self._place_told(now), waiting=len(self._waiting))
            )

    def _place_told(self, now: datetime) -> datetime:
        """Up to when the index has everything: now, unless something waits."""
        return self._place.at if self._waiting else now

    def close(self) -> None:
        """Give the writer's lock back."""
        self._writer.wait_merging_threads()

    @property
    def place(self) -> FeedPlace:
        return self._place


def follow(
    stop: Event,
    *,
    tell: Callable[[str], None],
    beat: Callable[[], None],
    period: float = PERIOD,
) -> None:
    """Follow until `stop` is set; `beat` is called at each turn. Raises as `IndexFollower.turn`."""
    follower = IndexFollower(tell)
    tell(f"Following in {follower.folder}.")
    while not stop.is_set():
        beat()
        if not follower.turn():
            stop.wait(period)
    follower.close()
