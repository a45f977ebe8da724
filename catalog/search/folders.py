"""The folder of the index on this machine: which build is in use, and whether it is whole.

    SEARCH_INDEX_PATH/
        current-1.json      the build in use of schema version 1; replaced by a rename
        build-1-…/          a build: Tantivy's files, and `manifest.json` with sizes and sums
        state.json          how far the follower is, for /readyz and the figures
        follower.lock       held by the one follower of this machine

A mapped file that is cut short ends the process that reads it, and wrong bytes give no error. So a
build is compared with its manifest before it is opened.
"""

import fcntl
import json
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from catalog.search.schema import VERSION

MANIFEST = "manifest.json"
_CHUNK = 1 << 20
_KINDS = ("fast", "fieldnorm", "idx", "pos", "store", "term")  # the files of a segment
OLD_SECONDS = 24 * 3600  # after which a build that nobody uses may go


class IndexUnusableError(Exception):
    """The index cannot be used: it is missing, damaged, or cannot be read. Says which."""


@dataclass(frozen=True, slots=True)
class Current:
    """The build in use, and the file that names it as it was when read."""

    folder: Path
    stamp: tuple[int, int]


def root() -> Path:
    """The folder of all builds."""
    return Path(settings.SEARCH_INDEX_PATH)


def _pointer() -> Path:
    return root() / f"current-{VERSION}.json"


def current() -> Current:
    """The build in use. Raises `IndexUnusableError`."""
    pointer = _pointer()
    try:
        state = pointer.stat()
        named = json.loads(pointer.read_text())["folder"]
        folder = root() / str(named)
    except FileNotFoundError:
        raise IndexUnusableError("there is no index yet") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexUnusableError(f"its pointer cannot be read ({type(error).__name__})") from error
    if folder.parent != root() or not folder.name.startswith("build-"):
        raise IndexUnusableError("its pointer leads out of the folder")
    return Current(folder, (state.st_mtime_ns, state.st_ino))


def new_build() -> Path:
    """An empty folder for a build."""
    folder = root() / f"build-{VERSION}-{int(time.time())}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True, mode=0o700)
    return folder


def switch_to(folder: Path) -> None:
    """Make a whole build the one in use, and remove those that nobody needs."""
    write_whole(_pointer(), {"folder": folder.name})
    _remove_others(folder)


def _remove_others(used: Path) -> None:
    """Remove other builds of this version, and those of others once they are a day old."""
    for other in root().glob("build-*"):
        ours = other.name.startswith(f"build-{VERSION}-")
        with suppress(FileNotFoundError):
            if other != used and (ours or time.time() - other.stat().st_mtime > OLD_SECONDS):
                shutil.rmtree(other, ignore_errors=True)


def write_whole(file: Path, content: Mapping[str, Any], *, durable: bool = True) -> None:
    """Write a file so that a reader finds the former content or all of the new one."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    with part.open("w") as writing:
        writing.write(json.dumps(content))
        if durable:
            writing.flush()
            os.fsync(writing.fileno())
    part.replace(file)


def _sum(file: Path) -> int:
    total = 0
    with file.open("rb") as reading:
        while chunk := reading.read(_CHUNK):
            total = zlib.crc32(chunk, total)
    return total


def _segments(folder: Path) -> tuple[dict[str, int], set[str]]:
    """The files in use with their sizes, and the names of those that must be there.

    A file of a merge that goes on belongs to no segment in use yet.
    """
    segments = json.loads((folder / "meta.json").read_text())["segments"]
    named = {str(each["segment_id"]).replace("-", ""): each.get("deletes") for each in segments}
    needed = {f"{name}.{kind}" for name in named for kind in _KINDS}
    needed |= {f"{name}.{gone['opstamp']}.del" for name, gone in named.items() if gone}
    with os.scandir(folder) as entries:
        sizes = {
            entry.name: entry.stat().st_size
            for entry in entries
            if entry.name.partition(".")[0] in named and entry.name in needed
        }
    return sizes, needed


def write_manifest(folder: Path, known: dict[str, list[int]] | None = None) -> dict[str, list[int]]:
    """Write down the sizes and sums of a build's files. `known`: those of files that were written
    before, which do not change. Returns all.
    """
    known = known or {}
    listed: dict[str, list[int]] = {}
    for name, size in _segments(folder)[0].items():
        with suppress(FileNotFoundError):
            listed[name] = known.get(name) or [size, _sum(folder / name)]
    write_whole(folder / MANIFEST, {"files": listed})
    return listed


def verify(folder: Path, *, sums: bool = True) -> dict[str, list[int]]:
    """Compare a build with its manifest, before it is opened. Returns what the manifest lists.

    A file that the manifest does not know yet was written since by the follower, whose commits are
    whole by themselves. Raises `IndexUnusableError`.
    """
    try:
        listed: dict[str, list[int]] = json.loads((folder / MANIFEST).read_text())["files"]
        there, needed = _segments(folder)
        for name in sorted(needed):
            if name not in there:
                raise IndexUnusableError(f"{name} is missing")
            size, checksum = listed.get(name, [there[name], None])
            if there[name] != size or not size:
                raise IndexUnusableError(f"{name} is {there[name]} bytes long, not {size}")
            if sums and checksum is not None and _sum(folder / name) != checksum:
                raise IndexUnusableError(f"{name} has other bytes than were written")
    except FileNotFoundError as error:
        raise IndexUnusableError(f"{Path(error.filename).name} is missing") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexUnusableError(f"it cannot be read ({type(error).__name__})") from error
    return listed


@contextmanager
def only_follower() -> Iterator[bool]:
    """Hold the lock of this machine's one follower; yields whether it is held. It ends with the
    process, however that ends.
    """
    root().mkdir(parents=True, exist_ok=True)
    with (root() / "follower.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
