"""Starts the portal's Python processes by forking one that has loaded the portal already.

To load it takes two seconds of a processor, and tests that kill processes start hundreds. Each has its
own group and log, as one that is started by its command; tests/production starts those.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import django
from django.conf import settings

from loyalty_portal.local.supervisor import die_with

ROOT = Path(__file__).resolve().parents[2]

# What a worker and a sweeper load besides the applications.
MODULES = ("loyalty_portal.celery", "celery.bin.celery", "redemption.management.commands.sweep")


class Child:
    """A process that another one forked: what tests need of subprocess.Popen."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._file = os.pidfd_open(pid)

    def __del__(self) -> None:
        os.close(self._file)

    def poll(self) -> int | None:
        """0 when it has ended, however, and None while it runs."""
        return 0 if self._has_ended(0) else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises TimeoutExpired after `timeout` seconds."""
        if not self._has_ended(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return 0

    def send_signal(self, number: int) -> None:
        signal.pidfd_send_signal(self._file, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def _has_ended(self, seconds: float | None) -> bool:
        return bool(select.select([self._file], [], [], seconds)[0])


class Preloaded:
    """The process that has loaded the portal with this environment. The first `start` starts it."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.environment = dict(environment)
        self._log = folder / "preloaded.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], log: Path) -> Child:
        """Start `command`: what follows `python`, as `-m MODULE …` or `FILE …`. It writes to `log`."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        asked = {"command": list(command), "log": str(log)}
        process.stdin.write(f"{json.dumps(asked)}\n".encode())
        process.stdin.flush()
        told = process.stdout.readline()
        assert told, f"the portal cannot be loaded:\n{self._log.read_text()}"
        return Child(int(told))

    def kill(self) -> None:
        """End it, and all that it started."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.preloaded"],
                    cwd=ROOT,
                    env=self.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
        return self._process


def serve() -> None:
    """Load the portal, then fork a process for each line of stdin, and tell its id, until the end of
    stdin. A process ends with this one.
    """
    django.setup()
    for name in (settings.ROOT_URLCONF, *MODULES):
        import_module(name)
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1, "a fork has none of the other threads"
    ours = os.getpid()
    while line := sys.stdin.readline():
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            become(asked["command"], asked["log"], parent=ours)
            return
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        with suppress(ChildProcessError):  # those that have ended since
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def become(command: list[str], log: str, *, parent: int) -> None:
    """Run the command in this process until it ends."""
    os.setsid()
    die_with(parent, signal.SIGKILL)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    if command[0] == "-m":
        sys.argv = command[1:]
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    serve()
