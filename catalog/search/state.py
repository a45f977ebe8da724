"""How far the index of this machine is, for /readyz, doctor and the figures."""

import json
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from catalog.search import folders
from loyalty_portal.metrics.state import StateFigure

_FILE = "state.json"
SILENT_SECONDS = 30.0  # after which a follower counts as gone


@dataclass(frozen=True, slots=True)
class FollowerState:
    """What the follower says. `at`: when, by the database's clock. `place_at`: up to when the index
    has everything. `waiting`: products of large changes that are still to be written.
    """

    at: datetime
    place_at: datetime
    waiting: int


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
        wrong = ""
    except folders.IndexUnusableError as error:
        wrong = str(error)
    try:
        file = folders.root() / _FILE
        age = time.time() - file.stat().st_mtime
        told: dict[str, Any] = json.loads(file.read_text())
        behind, waiting = float(told["behind"]), int(told["waiting"])
    except (OSError, ValueError, KeyError, TypeError):
        return Standing(None, 0, wrong)
    silent = age > SILENT_SECONDS
    return Standing(None if silent else behind + max(age - 2, 0.0), waiting, wrong)


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
