"""Puts the static files of this version beside those of earlier ones, for a web server or a CDN.

During a deploy both versions answer, and a page of one may have its files asked of the other. The
names contain a digest of the content, so files of many versions lie side by side.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

KEPT_SECONDS = 30 * 86_400  # after the last deploy that published a file
# Beside a file: what WhiteNoise compressed.
COMPRESSED = (".gz", ".br")
_PART = ".part-"  # what an unfinished copy begins with


@dataclass
class Published:
    """How many files were copied, were there already, and were removed as too old."""

    copied: int = 0
    kept: int = 0
    removed: int = 0


class FileStore(Protocol):
    """Where published files lie. Its methods raise OSError when it cannot be read or written."""

    compressed: bool  # whether it serves compressed copies that lie beside a file

    def renew(self, name: str) -> bool:
        """Note that a version published the file now. False: it is not there."""

    def put(self, file: Path, name: str) -> None:
        """Copy a file. It appears under its name when it is whole."""

    def remove_older(self, seconds: float) -> int:
        """Remove files that were published longer ago. Returns how many."""


def publish(names: Iterable[str], *, source: Path, store: FileStore) -> Published:
    """Copy the files `names` of the folder `source` to the store, and remove from it what no
    version has published for 30 days.

    May be stopped and repeated, and several may run at once. Raises OSError when the folder or the
    store cannot be read or written.
    """
    told = Published()
    for name in _all_of(names, source, compressed=store.compressed):
        if store.renew(name):
            told.kept += 1
        else:
            store.put(source / name, name)
            told.copied += 1
    told.removed = store.remove_older(KEPT_SECONDS)
    return told


def _all_of(names: Iterable[str], source: Path, *, compressed: bool) -> Iterator[str]:
    for name in names:
        yield name
        for end in COMPRESSED if compressed else ():
            if (source / f"{name}{end}").exists():
                yield f"{name}{end}"


class FolderStore:
    """A folder that a web server serves, such as nginx with `gzip_static`."""

    compressed = True

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)

    def renew(self, name: str) -> bool:
        if not (self._path / name).exists():
            return False
        os.utime(self._path / name)
        return True

    def put(self, file: Path, name: str) -> None:
        to = self._path / name
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(f"{_PART}{os.getpid()}-{to.name}")
        shutil.copyfile(file, part)
        part.chmod(0o644)  # the web server is another user
        part.replace(to)

    def remove_older(self, seconds: float) -> int:
        before = time.time() - seconds
        files = [file for file in self._path.rglob("*") if file.is_file()]
        old = [file for file in files if file.stat().st_mtime < before]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)
