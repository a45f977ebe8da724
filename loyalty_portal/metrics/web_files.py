"""The files in which the processes of a web server count; metrics/web_port.py tells their sum.

prometheus_client reads PROMETHEUS_MULTIPROC_DIR when it is imported, so `prepare` comes before, and
this module does not import it. gunicorn.conf.py calls these functions.
"""

import logging
import os
import shutil
import tempfile
from pathlib import Path
from threading import Event

from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.processes import WEB, metrics_port
from loyalty_portal.metrics import FOLDER

logger = logging.getLogger(__name__)

KINDS = ("counter", "histogram")  # of prometheus_client's files
FORMER = "former"  # in the names of the files that hold what ended processes counted
# Bytes of a file. Our series need less than half. They are taken from the disk at once: a process
# that writes into a file without room on the disk would be killed (SIGBUS).
SIZE = 256 * 1024
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

# Set in a process that has no place for its figures: it counts nothing.
off = Event()
# Why nothing is counted in the whole server, for web_port.serve to say; there is no log yet.
problems: list[str] = []


def prepare() -> None:
    """Make this web server's own folder, and remove those of servers that are gone. Where that
    cannot be done, nothing is counted.
    """
    if VARIABLE in os.environ or not metrics_port(Environment(), WEB):
        return  # gunicorn reads its settings again at a reload
    parent = Path(FOLDER or _usual_place())
    try:
        _make_ours(parent)
    except OSError as error:
        os.environ.pop(VARIABLE, None)
        off.set()
        problems.append(f"{parent} cannot be used ({error.strerror or error})")


def _usual_place() -> Path:
    """In memory where that can be."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it is checked
    parent = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    return parent / f"portal-metrics-{os.getuid()}"


def _make_ours(parent: Path) -> None:
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if parent.stat().st_uid != os.getuid():
        raise PermissionError(f"{parent} belongs to somebody else")
    for folder in parent.iterdir():
        if folder.name.isdecimal() and not _is_alive(int(folder.name)):
            shutil.rmtree(folder, ignore_errors=True)
    ours = parent / str(os.getpid())
    shutil.rmtree(ours, ignore_errors=True)
    ours.mkdir(mode=0o700)
    os.environ[VARIABLE] = str(ours)
    for who in (str(os.getpid()), FORMER):
        _allocate(ours, who)


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and pid != os.getpid()


def _allocate(folder: Path, who: str) -> None:
    """Make the files of a process, each whole before it has the name under which it is read."""
    for kind in KINDS:
        begun = folder / f"{kind}_{who}.begun"
        with begun.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, SIZE)
        begun.rename(folder / f"{kind}_{who}.db")


def begin_process() -> None:
    """In a web process that was just forked: make its files. Without room it counts nothing, and
    answers requests all the same.
    """
    if VARIABLE not in os.environ:
        return
    try:
        _allocate(Path(os.environ[VARIABLE]), str(os.getpid()))
    except OSError as error:
        off.set()
        logger.error(
            "%s: this web process counts nothing for Prometheus, and serves all else (%s)",
            VARIABLE,
            error.strerror or error,
        )


def remove() -> None:
    """Remove this web server's folder, when it ends."""
    if VARIABLE in os.environ:
        shutil.rmtree(os.environ[VARIABLE], ignore_errors=True)
