"""Puts the static files of this version beside those of earlier ones, for a web server or a CDN.

During a deploy both versions answer, and a page of one may have its files asked of the other. The
names contain a digest of the content, so files of many versions lie in one folder.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

KEPT_SECONDS = 30 * 86_400  # after the last deploy that published a file
# Beside a file: what WhiteNoise compressed.
COMPRESSED = ("", ".gz", ".br")
_PART = ".part-"  # what an unfinished copy begins with


@dataclass
class Published:
    """How many files were copied, were there already, and were removed as too old."""

    copied: int = 0
    kept: int = 0
    removed: int = 0


def publish(names: Iterable[str], *, source: Path, target: Path) -> Published:
    """Copy the files `names` of the folder `source` into `target`, and remove what no version has
    published for 30 days.

    A file appears under its name when it is whole. May be stopped and repeated, and several may run
    at once. Raises OSError when a folder cannot be read or written.
    """
    told = Published()
    target.mkdir(parents=True, exist_ok=True)
    for name in _all_of(names, source):
        if (target / name).exists():
            os.utime(target / name)
            told.kept += 1
        else:
            _copy(source / name, target / name)
            told.copied += 1
    told.removed = _remove_old(target)
    return told


def _all_of(names: Iterable[str], source: Path) -> Iterator[str]:
    for name in names:
        for end in COMPRESSED:
            if not end or (source / f"{name}{end}").exists():
                yield f"{name}{end}"


def _copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f"{_PART}{os.getpid()}-{to.name}")
    shutil.copyfile(file, part)
    part.chmod(0o644)  # the web server is another user
    part.replace(to)


def _remove_old(target: Path) -> int:
    before = time.time() - KEPT_SECONDS
    old = [file for file in target.rglob("*") if file.is_file() and file.stat().st_mtime < before]
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)
