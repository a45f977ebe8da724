"""The search index of one test, in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from catalog.search import opened
from catalog.search.building import build
from catalog.search.following import IndexFollower


class OwnIndex:
    """What a follower would do, at the moment when the test says so."""

    def __init__(self) -> None:
        self._follower: IndexFollower | None = None

    def build(self) -> None:
        build()
        opened.look_again()

    def follow(self) -> None:
        """Take over what changed."""
        if self._follower is None:
            self._follower = IndexFollower()
        self._follower.turn()
        opened.look_again()

    def close(self) -> None:
        if self._follower is not None:
            self._follower.close()
            self._follower = None


@pytest.fixture
def index(settings: Any, tmp_path: Path) -> Iterator[OwnIndex]:
    settings.SEARCH_INDEX_PATH = tmp_path / "search"
    own = OwnIndex()
    yield own
    own.close()
