"""The whole portal as in production, with everything that can be broken."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from loyalty_portal.local import embedded
from loyalty_portal.local.embedded_folder import Folder, FolderInUseError
from loyalty_portal.local.supervisor import end
from redemption.management.commands.sweep import PERIOD
from tests.support.daemons import Daemon, Forked
from tests.support.ports import free_port
from tests.support.stack import Stack
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[3]
RUNS_AT_ONCE = 9
LINES = ("partners", "callbacks", "postgres", "redis")


@contextmanager
def own_postgres(name: str = "chaos") -> Iterator[Postgres]:
    """A fresh, durable PostgreSQL for this run in a folder of this name under .local/; parallel runs
    use different folders.
    """
    with ExitStack() as held:
        for number in range(1, RUNS_AT_ONCE + 1):
            with suppress(FolderInUseError):
                folder = held.enter_context(Folder(ROOT / ".local" / f"{name}-{number}"))
                break
        else:
            raise FolderInUseError(f"{RUNS_AT_ONCE} runs are going on in this checkout.")
        shutil.rmtree(folder.path / Postgres.name, ignore_errors=True)
        postgres = Postgres(folder, durable=True)
        held.enter_context(postgres)
        yield postgres


class Postgres(embedded.Postgres):
    """A durable PostgreSQL on a fixed port, which can be killed while clients use it."""

    def restart(self) -> None:
        """Restart it as an operator does; clients are disconnected."""
        end(self.process, self.stop_signal, seconds=embedded.STOP_SECONDS)
        self.ensure()

    def kill(self) -> None:
        """Kill all its processes with -9 at once. What was not on disk is lost."""
        self.process.poll()
        for pid in (self.process.pid, *self._children()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def crash(self) -> None:
        """Kill one of its client processes with -9. PostgreSQL then restarts all others."""
        with psycopg.connect(self.address, autocommit=True) as link:
            row = link.execute(
                "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                " ORDER BY pid = pg_backend_pid(), pid LIMIT 1"
            ).fetchone()
        if row:
            with suppress(ProcessLookupError):
                os.kill(row[0], signal.SIGKILL)

    def ensure(self) -> None:
        """Start it if it does not answer."""
        # after a crash it writes all its files to the disk, which others may keep busy
        eventually(self._runs, "postgres answers", within=300.0)

    def _runs(self) -> bool:
        # a server that recovers from a crash runs, but does not answer yet
        return self.answers() if self.process.poll() is None else self.launch()

    def _children(self) -> list[int]:
        pid = self.process.pid
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Proxy(Daemon):
    """tests/chaos/actors/proxy.py as a process; `start` waits until it accepts commands."""

    def __init__(self, folder: Path, targets: dict[str, tuple[int, int]]) -> None:
        self.port = free_port()
        lines = [f"{name}={port}:{target}" for name, (port, target) in targets.items()]
        command = [sys.executable, "-m", "tests.chaos.actors.proxy", str(self.port), *lines]
        super().__init__("proxy", command, os.environ, folder)

    def start(self) -> None:
        super().start()
        eventually(lambda: self._order("redis none 0"), "the proxy takes orders")

    def spoil(self, line: str, trouble: str, amount: float = 0.0) -> None:
        assert self._order(f"{line} {trouble} {amount}"), f"the proxy does not {trouble} {line}"

    def _order(self, order: str) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10) as link:
                link.sendall(f"{order}\n".encode())
                return link.recv(16) == b"ok\n"
        except OSError:
            return False


class House(Stack):
    """Web, worker and sweeper behind a proxy; with `spares`, two workers and two sweepers.

    The tests' own access (`database`, `sandbox`, pages under `url`) does not use the proxy.
    """

    def __init__(
        self,
        folder: Path,
        postgres: Postgres,
        database: str,
        *,
        settings: str = "loyalty_portal.settings",
        spares: bool = True,
        sweep_period: float = PERIOD,
        **variables: str,
    ) -> None:
        self.sweep_period = sweep_period
        ports = {name: free_port() for name in LINES}
        partners = f"http://127.0.0.1:{ports['partners']}"
        address = urlsplit(database)
        through = f"{address.username}:{address.password}@127.0.0.1:{ports['postgres']}"
        super().__init__(
            folder,
            database,
            settings=settings,
            DATABASE_URL=address._replace(netloc=through).geturl(),
            REDIS_URL=f"redis://127.0.0.1:{ports['redis']}/0",
            LOYALTY_API_URL=f"{partners}/loyalty",
            LOYALTY_OAUTH_TOKEN_URL=f"{partners}/loyalty/oauth/token",
            FULFILLMENT_API_URL=f"{partners}/fulfillment",
            **variables,
        )
        self.folder = folder
        self.postgres = postgres
        self.webhooks = f"http://127.0.0.1:{ports['callbacks']}/webhooks/fulfillment/"
        targets = {
            "partners": self._partners_port,
            "callbacks": self.web.port,
            "postgres": postgres.port,
            "redis": self.redis.port,
        }
        self.proxy = Proxy(folder, {name: (ports[name], targets[name]) for name in LINES})
        self.spares = tuple(
            Forked(f"{each.name}-2", each.command, self.preloaded, folder)
            for each in (self.worker, self.sweeper)
            if spares
        )

    @property
    def processes(self) -> tuple[Daemon, ...]:
        return (self.proxy, *super().processes, *self.spares)

    def process(self, name: str) -> Daemon:
        return next(each for each in self.processes if each.name == name)

    def calm(self) -> None:
        """End all faults and start all processes. They may still have to catch up."""
        for line in LINES:
            self.proxy.spoil(line, "none")
        self.postgres.ensure()
        for process in self.processes:
            process.resume()
        if self.sandbox.process is not None:
            os.kill(self.sandbox.process.pid, signal.SIGCONT)
        else:
            self.sandbox.launch()
        self.sandbox.clear_faults()
        for process in self.processes:
            process.start()

    def cut_connections(self) -> int:
        """End all connections to the database, including Django's own here. Returns how many."""
        cut = """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()
        """
        with self.connect() as link:
            row = link.execute(cut).fetchone()
        return int(row[0]) if row else 0

    def post_callback(self, headers: dict[str, str], body: bytes) -> int | None:
        """Send a callback. Returns the status of the portal's answer."""
        link = HTTPConnection("127.0.0.1", self.web.port, timeout=5)
        try:
            link.request("POST", "/webhooks/fulfillment/", body, headers)
            return link.getresponse().status
        except OSError:
            return None
        finally:
            link.close()
