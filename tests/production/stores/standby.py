"""A streaming standby of the tests' PostgreSQL, made as deploy/postgres/README.md says."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from loyalty_portal.local.embedded import Postgres
from loyalty_portal.local.embedded_folder import EmbeddedError, Folder
from loyalty_portal.local.supervisor import spawn

ROOT = Path(__file__).resolve().parents[3]
DEPLOYED = ROOT / "deploy/postgres"


class Standby(Postgres):
    """It follows the server at `primary`, an address of its administrator for one database.

    The roles have names of their own, because roles are the whole server's.
    """

    name = "standby"

    def __init__(self, folder: Folder, primary: str) -> None:
        super().__init__(folder, durable=False)
        self.primary = primary
        there = urlsplit(primary)
        self.database = there.path.lstrip("/")
        self._host, self._port = str(there.hostname), int(there.port or 5432)
        mark = secrets.token_hex(4)
        self.roles = {
            "PORTAL_DATABASE_ROLE": str(there.username),
            "REPLICATION_ROLE": f"copies_{mark}",
            "REPORTS_ROLE": f"reads_{mark}",
        }
        self.secret = secrets.token_urlsafe(16)
        self.slot = f"replica_{mark}"

    @property
    def address(self) -> str:
        """Of the database on the standby, for the role of reports."""
        reader = f"{self.roles['REPORTS_ROLE']}:{self.secret}"
        return f"postgresql://{reader}@127.0.0.1:{self.port}/{self.database}"

    @property
    def on_the_primary(self) -> str:
        """The same on the primary."""
        return self.address.replace(f":{self.port}/", f":{self._port}/")

    @property
    def administration(self) -> str:
        return urlsplit(self.primary)._replace(netloc=self._netloc(self.port)).geturl()

    def _netloc(self, port: int) -> str:
        there = urlsplit(self.primary)
        return f"{there.username}:{there.password}@127.0.0.1:{port}"

    def prepare(self) -> None:
        roles = ["-q", "-f", str(DEPLOYED / "roles.sql"), self.primary]
        secret = {"REPLICATION_PASSWORD": self.secret, "REPORTS_PASSWORD": self.secret}
        subprocess.run(
            [str(self._program("psql")), *roles],
            env={**os.environ, **self.roles, **secret},
            check=True,
        )
        there = f"host={self._host} port={self._port} user={self.roles['REPLICATION_ROLE']}"
        copy = spawn(
            [
                *(self._program("pg_basebackup"), "-d", f"{there} password={self.secret}"),
                *("-D", self.data, "-R", "-X", "stream", "-c", "fast", "--no-sync"),
                *("-C", "-S", self.slot),
            ],
            folder=self.home,
            user=self.folder.runner.user,
            group=self.folder.runner.group,
        )
        output, _ = copy.communicate()
        if copy.returncode:
            raise EmbeddedError(output.decode(errors="replace"))
        settings = (DEPLOYED / "standby.conf").read_text()
        # A report that stands in the way gives way at once, where nobody has twenty seconds.
        assert "max_standby_streaming_delay = 20s" in settings
        settings = settings.replace("max_standby_streaming_delay = 20s", _AT_ONCE)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(settings)

    def answers(self) -> bool:
        try:
            return self.ask("SELECT true")
        except psycopg.OperationalError:
            return False

    def ask(self, query: str) -> Any:
        """The answer of the standby to its administrator: one value."""
        with psycopg.connect(self.administration, autocommit=True, connect_timeout=2) as link:
            row = link.execute(query.encode()).fetchone()
        return row[0] if row else None

    def change(self, statement: str) -> None:
        with psycopg.connect(self.administration, autocommit=True, connect_timeout=2) as link:
            link.execute(statement.encode())

    def lag_behind(self, delay: str) -> None:
        """Have it replay each commit so much later ("0" for at once)."""
        self.change(f"ALTER SYSTEM SET recovery_min_apply_delay = '{delay}'")
        self.ask("SELECT pg_reload_conf()")

    @property
    def has_all(self) -> bool:
        """Whether it has replayed all that the primary has written until now."""
        with psycopg.connect(self.primary, autocommit=True) as link:
            [written] = link.execute("SELECT pg_current_wal_lsn()").fetchone() or [None]
        return bool(self.ask(f"SELECT pg_last_wal_replay_lsn() >= '{written}'"))

    def freeze(self) -> None:
        """It accepts connections and answers none."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def leave(self) -> None:
        """Take its slot and roles away from the primary."""
        with psycopg.connect(self.primary, autocommit=True) as link:
            link.execute(
                "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
                " WHERE slot_name = %s",
                (self.slot,),
            )
            for role in ("REPLICATION_ROLE", "REPORTS_ROLE"):
                link.execute(f"DROP OWNED BY {self.roles[role]}".encode())
                link.execute(f"DROP ROLE {self.roles[role]}".encode())


_AT_ONCE = "max_standby_streaming_delay = 0"


@contextmanager
def standby_of(primary: str, portal: str = "") -> Iterator[Standby]:
    """A running standby. Its copy is removed at the end. `portal`: the role that owns the portal's
    tables, if it is not the administrator.
    """
    place = ROOT / ".local" / f"standby-{os.getpid()}-{secrets.token_hex(3)}"
    with Folder(place) as folder:
        server = Standby(folder, primary)
        server.roles["PORTAL_DATABASE_ROLE"] = portal or server.roles["PORTAL_DATABASE_ROLE"]
        try:
            with server:
                yield server
        finally:
            server.leave()
            shutil.rmtree(folder.path, ignore_errors=True)
            shutil.rmtree(place, ignore_errors=True)
