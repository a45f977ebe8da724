"""A release: the files that an image or a machine gets, with its collected static files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.house.image.processes import Image


class Release(Image):
    """The files in `folder`, changed by `change` before they are collected."""

    def __init__(self, folder: Path, change: Callable[[Path], object] = lambda _app: None) -> None:
        self._change = change
        super().__init__(folder)

    def prepare(self) -> None:
        self._change(self.app)
        # Compile each module once, not in each process: most of the time in which one starts.
        self.variables["PYTHONDONTWRITEBYTECODE"] = ""
