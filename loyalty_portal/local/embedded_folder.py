"""The folder of embedded servers, and the user that they run as.

PostgreSQL refuses to run as root, so root's servers run as `nobody`. When `nobody` cannot read the
checkout, data and programs are stored under /var/tmp instead.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

ELSEWHERE = Path("/var/tmp")  # noqa: S108 - the folders in it are ours alone, which is checked
PREFIX = "loyalty-portal-"


class EmbeddedError(Exception):
    """The servers cannot be started. The message is shown to the user."""


class FolderInUseError(EmbeddedError):
    """Another process runs servers in this folder."""


@dataclass(frozen=True)
class Runner:
    """The user that the servers run as: its ids, or None for the current user."""

    user: int | None = None
    group: int | None = None

    @classmethod
    def current(cls) -> "Runner":
        if os.geteuid() != 0:
            return cls()
        nobody = pwd.getpwnam("nobody")
        return cls(user=nobody.pw_uid, group=nobody.pw_gid)

    def may_enter(self, folder: Path) -> bool:
        """Whether the user can enter the folder, tested with the kernel because modes are not
        enough.
        """
        if self.user is None:
            return True
        probe = subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", 'cd "$0" && ls', folder],
            user=self.user,
            group=self.group,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
        return probe.returncode == 0

    def give(self, path: Path) -> None:
        if self.user is not None and self.group is not None:
            os.chown(path, self.user, self.group)


class Folder(AbstractContextManager["Folder"]):
    """The folder of one set of servers, locked for one process at a time.

    The kernel releases the lock however the process ends.
    """

    def __init__(self, folder: Path) -> None:
        self.asked = folder.absolute()
        self.runner = Runner.current()
        self.path = self.asked
        self._lock = -1

    def __enter__(self) -> "Folder":
        if self.runner.user is not None:
            remove_orphans()
        self.asked.mkdir(parents=True, exist_ok=True)
        if not self.runner.may_enter(self.asked):
            self.path = _elsewhere(self.asked)
        self._lock = _take_lock(self.path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._lock)

    def program(self, path: str, *, trees: Sequence[str]) -> Path:
        """The path of a program in an installed package, copied if the servers' user cannot run it.

        `path` and `trees` (the folders that the program needs) begin with the package's name.
        """
        package = path.split("/", maxsplit=1)[0]
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise EmbeddedError(
                f"The package {package} is missing. Install requirements-dev.txt, or set "
                "DATABASE_URL and REDIS_URL to servers of your own."
            )
        packages = Path(spec.submodule_search_locations[0]).parent
        if self.runner.may_enter((packages / path).parent):
            return packages / path
        copies = self.path / "programs"
        for tree in trees:
            if (packages / tree).exists() and not (copies / tree).exists():
                self._copy(packages / tree, copies / tree)
        return copies / path

    def _copy(self, tree: Path, copy: Path) -> None:
        # Copied under another name first, so that an interrupted copy is not used.
        part = copy.with_name(f"{copy.name}.part")
        shutil.copytree(tree, part, dirs_exist_ok=True)
        for path in (copy.parent.parent, copy.parent, part, *part.rglob("*")):
            self.runner.give(path)
        part.rename(copy)


def _elsewhere(asked: Path) -> Path:
    name = hashlib.sha256(str(asked).encode()).hexdigest()[:12]
    path = ELSEWHERE / f"{PREFIX}{name}"
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink() or path.stat().st_uid != os.geteuid():
        raise EmbeddedError(f"{path} belongs to somebody else. Remove it and start again.")
    path.chmod(0o755)  # independent of the umask
    (path / "for").write_text(str(asked))
    return path


def remove_orphans() -> None:
    """Remove the data under /var/tmp of folders that no longer exist."""
    for path in ELSEWHERE.glob(f"{PREFIX}*"):
        with suppress(OSError, EmbeddedError):
            if path.stat().st_uid != os.geteuid() or Path((path / "for").read_text()).exists():
                continue
            lock = _take_lock(path)
            shutil.rmtree(path)
            os.close(lock)


def _take_lock(folder: Path) -> int:
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode() or "another process"
        os.close(lock)
        raise FolderInUseError(f"Process {holder} is using {folder}. Stop it first.") from None
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    return lock
