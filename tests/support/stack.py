"""The portal as in production: web, worker, sweeper and sandbox as processes.

They have their own database and Redis. Each process can be killed, frozen and restarted.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from functools import cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg
from django.db import connection
from psycopg import sql

from accounts.loyalty import StatementEntry
from loyalty_portal.local import embedded
from redemption.invariants.checks import Violation, check_against_ledger, check_invariants
from redemption.models import RedemptionOrder
from tests.support.catalogues import ROOMS
from tests.support.daemons import ROOT, Daemon, Forked, Redis, Web
from tests.support.mailbox import Mailbox
from tests.support.ports import free_port
from tests.support.preloaded import Preloaded
from tests.support.sandbox_process import API_KEY, CLIENT_ID, CLIENT_SECRET, SandboxProcess
from tests.support.visitor import Visitor
from tests.support.waiting import eventually

DEADLINE = 3.0  # seconds for a call to a partner; a lost lease expires 5 s later
SANDBOX_DIALS = {"mode": "accept", "delay": 0.1, "honour_keys": True, "processing_event": False}


# What the tables and the rows of `migrate` follow from: content types and permissions come from
# models, and some migrations use our fields and triggers.
SCHEMA = ("**/migrations/**/*.py", "**/models/**/*.py", "**/models.py")
PROGRAMS = next(Path(sys.prefix).glob(f"lib/*/site-packages/{embedded.PROGRAMS}/bin"))
KEPT = "portal_tests_"  # what the names of migrated databases begin with


@cache
def schema_digest() -> str:
    """A digest of the files that decide about a migrated database."""
    files = {ROOT / "loyalty_portal/settings.py", ROOT / "requirements.txt"}
    files.update(ROOT.glob("loyalty_portal/data/*.py"))
    for room, pattern in product(ROOMS, SCHEMA):
        files.update((ROOT / room).glob(pattern))
    told = (f"{file.relative_to(ROOT)}\0{file.read_text()}" for file in sorted(files))
    return sha256("\0".join(told).encode()).hexdigest()[:16]


class Databases(AbstractContextManager["Databases"]):
    """Fresh databases on a server, copied from one that was filled once.

    The filled one stays on the server for the next run, until migrations or models change.
    """

    def __init__(self, server: str) -> None:
        self._server = urlsplit(server)
        self._made: list[str] = []

    def create(self) -> str:
        """Create a migrated, empty database. Returns its address."""
        name = f"stack_{secrets.token_hex(5)}"
        template = self.template()
        with self._admin() as admin:
            _create(admin, name, template)
        self._made.append(name)
        return self._url(name)

    def template(self) -> str:
        """The name of the database that was filled, which nobody is connected to."""
        name = f"{KEPT}{schema_digest()}"
        with self._admin() as admin:
            admin.execute("SELECT pg_advisory_lock(hashtext(%s))", (KEPT,))
            rows = admin.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", (KEPT,)
            )
            kept = [row[0] for row in rows]
            if name not in kept:
                for old in kept:
                    _drop(admin, old)
                self._fill(admin, name)
        return name

    def _fill(self, admin: psycopg.Connection[Any], name: str) -> None:
        """Create and fill the database. It gets its name only when it is whole."""
        part = f"{KEPT}part"
        _create(admin, part, "template0")
        fill_migrated(self._url(part))
        rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
        admin.execute(rename.format(sql.Identifier(part), sql.Identifier(name)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._admin() as admin:
            for name in self._made:
                _drop(admin, name)

    def _admin(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self._url("postgres"), autocommit=True)

    def _url(self, name: str) -> str:
        return self._server._replace(path=f"/{name}").geturl()


def fill_migrated(database: str) -> None:
    """Fill an empty database with what `migrate` makes. Its role owns everything afterwards.

    To migrate takes most of a minute, so only the first call in a checkout migrates, and leaves a
    dump for the others. A lock lets processes beside each other wait for it.
    """
    folder = ROOT / ".local"
    folder.mkdir(exist_ok=True)
    dump = folder / f"migrated-{schema_digest()}.sql"
    with (folder / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not dump.exists():
            for old in folder.glob("migrated-*.sql"):
                old.unlink()
            _migrate_and_dump(database, dump)
            return
    fill = ["psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={dump}", database]
    _run_program(fill, stdout=subprocess.DEVNULL)


def _migrate_and_dump(database: str, dump: Path) -> None:
    migrate = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
    environment = os.environ | {"DATABASE_URL": database}
    subprocess.run(migrate, cwd=ROOT, env=environment, check=True)
    part = dump.with_suffix(".part")
    _run_program(["pg_dump", "--no-owner", "--no-privileges", f"--file={part}", database])
    part.rename(dump)


def _run_program(command: list[str], **options: Any) -> None:
    subprocess.run([str(PROGRAMS / command[0]), *command[1:]], check=True, **options)


def _create(admin: psycopg.Connection[Any], name: str, template: str) -> None:
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    admin.execute(make.format(sql.Identifier(name), sql.Identifier(template)))


def _drop(admin: psycopg.Connection[Any], name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def as_default(database: str) -> Iterator[None]:
    """Use another database as Django's default connection, in every thread."""
    there = urlsplit(database)
    theirs = {
        "NAME": there.path.lstrip("/"),
        "HOST": there.hostname,
        "PORT": there.port,
        "USER": there.username,
        "PASSWORD": there.password or "",
    }
    ours = {name: connection.settings_dict[name] for name in theirs}
    connection.close()
    connection.settings_dict.update(theirs)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(ours)


class Stack(AbstractContextManager["Stack"]):
    """The running portal: `web`, `worker`, `sweeper`, `redis`, `sandbox`, `mailbox`, and
    `database`.

    `settings` is the settings module of web, worker and sweeper; `variables` are added to their
    environment. `database` is an address.
    """

    sweep_period = 0.5  # seconds; the product's default is longer

    def __init__(
        self,
        folder: Path,
        database: str,
        *,
        settings: str = "loyalty_portal.settings",
        **variables: str,
    ) -> None:
        self.database = database
        self.redis = Redis(folder)
        self.mailbox = Mailbox()
        self.sandbox: SandboxProcess
        self.url = f"http://127.0.0.1:{free_port()}"
        self.webhooks = f"{self.url}/webhooks/fulfillment/"
        self._folder = folder
        self._running = ExitStack()
        partners = f"http://127.0.0.1:{free_port()}"
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": settings,
            "DATABASE_URL": database,
            "REDIS_URL": self.redis.url,
            "BROKER_URL": "",
            "PORTAL_URL": self.url,
            "LOYALTY_API_URL": f"{partners}/loyalty",
            "LOYALTY_OAUTH_TOKEN_URL": f"{partners}/loyalty/oauth/token",
            "LOYALTY_OAUTH_CLIENT_ID": CLIENT_ID,
            "LOYALTY_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
            "FULFILLMENT_API_URL": f"{partners}/fulfillment",
            "FULFILLMENT_API_KEY": API_KEY,
            "PARTNER_TIMEOUT": str(DEADLINE),
            "PARTNER_DEADLINE": str(DEADLINE),
            "EMAIL_URL": self.mailbox.url,
            "WEB_CONCURRENCY": "2",
            "METRICS_PORT": "0",
            "SEARCH_INDEX_PATH": str(folder / "search"),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "ignore:You're running the worker",  # the tests may run as root
            **variables,
        }
        python = sys.executable
        bind = self.url.removeprefix("http://")
        celery = ["-m", "celery", "-q", "-A", "loyalty_portal", "worker"]
        celery += ["-P", "threads", "-c", "8", "-Q", "loyalty,fulfillment,notifications,default"]
        sweep = ["manage.py", "sweep", "--period", str(self.sweep_period)]
        server = [python, "-m", "loyalty_portal.web", "--bind", bind]
        self.web = Web("web", server, environment, folder)
        self.web.port = int(bind.rpartition(":")[2])
        self.preloaded = Preloaded(environment, folder)
        self.worker = Forked("worker", celery, self.preloaded, folder)
        self.sweeper = Forked("sweeper", sweep, self.preloaded, folder)
        # Started by the tests that need it: without it PostgreSQL answers.
        index = [python, "manage.py", "index_catalog", "--follow"]
        self.indexer = Daemon("indexer", index, environment, folder)
        self._partners_port = int(partners.rpartition(":")[2])

    def drop_index(self) -> None:
        """Stop the indexer and delete the index, so that PostgreSQL answers again: an index that
        nobody follows would be asked still.
        """
        self.indexer.stop()
        shutil.rmtree(self._folder / "search")

    @property
    def processes(self) -> tuple[Daemon, ...]:
        return (self.redis, self.web, self.worker, self.sweeper)

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            starting.enter_context(self.mailbox)
            starting.callback(self.preloaded.kill)
            for process in (*self.processes, self.indexer):
                starting.callback(process.kill)
            self._launch()
            self.sandbox = SandboxProcess.start(
                port=self._partners_port,
                data_dir=self._folder / "sandbox",
                webhook_url=self.webhooks,
            )
            starting.callback(self.sandbox.kill)
            self.mend()
            self._running = starting.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.close()

    def mend(self) -> None:
        """Repair everything that a test broke."""
        if self.redis.was_disturbed:
            # A process that met a dead Redis avoids it for a while, so restart the processes.
            self.web.kill()
            self.worker.kill()
        for process in self.processes:
            process.resume()
            process.was_disturbed = False
        self._launch()
        self.mailbox.confirming.set()
        if self.sandbox.process is None:
            self.sandbox.launch()
        for process in self.processes:
            process.start()
        self.sandbox.clear_faults()
        self.sandbox.dial(**SANDBOX_DIALS, webhook_url=self.webhooks)

    def _launch(self) -> None:
        """Start all processes in parallel, because each takes long to load."""
        self.redis.start()
        for process in self.processes:
            process.launch()

    def news(self) -> str:
        """The output of the processes since the last call."""
        return "\n".join(filter(None, (process.news() for process in self.processes)))

    def visitor(self, **cookies: str) -> Visitor:
        visitor = Visitor(self.url, cookies)
        self._running.callback(visitor.close)
        return visitor

    # --- Its database ----------------------------------------------------------------------

    def as_default(self) -> AbstractContextManager[None]:
        return as_default(self.database)

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.database, autocommit=True)

    @contextmanager
    def holding(self, lock: str, *given: object) -> Iterator[Callable[[int], object]]:
        """Hold the locks of the statement `lock`. The yielded function waits for so many
        waiters.
        """
        blocked = """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'
        """
        with self.connect() as watcher, psycopg.connect(self.database) as holder:

            def enough(count: int) -> bool:
                row = watcher.execute(blocked).fetchone()
                return row is not None and row[0] >= count

            holder.execute(lock, given)
            yield lambda count: eventually(lambda: enough(count), f"{count} wait for {lock}")
            holder.rollback()

    def cut_connections(self) -> int:
        """End all connections to the database except this process's. Returns how many."""
        cut = """
            SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> ALL(%s)
        """
        with connection.cursor() as cursor, self.connect() as own:
            cursor.execute("SELECT pg_backend_pid()")
            row = own.execute(cut, ([cursor.fetchone()[0], own.info.backend_pid],)).fetchone()
        return int(row[0]) if row else 0

    @contextmanager
    def database_away(self) -> Iterator[None]:
        """Make the database refuse connections in the block, as while PostgreSQL restarts."""
        name = sql.Identifier(urlsplit(self.database).path.lstrip("/"))
        allow = sql.SQL("ALTER DATABASE {} WITH ALLOW_CONNECTIONS {}")
        connection.close()
        server = urlsplit(self.database)._replace(path="/postgres").geturl()
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(allow.format(name, sql.SQL("false")))
            try:
                admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                    [urlsplit(self.database).path.lstrip("/")],
                )
                yield
            finally:
                admin.execute(allow.format(name, sql.SQL("true")))

    # --- What must hold ----------------------------------------------------------------------

    def ends(self, *numbers: str) -> list[str]:
        """Wait until these orders have ended. Returns their statuses. Needs `as_default`."""

        def ended() -> list[str]:
            rows = RedemptionOrder.objects.in_bulk(list(numbers), field_name="order_number")
            orders = [rows[number] for number in numbers]
            return [order.status for order in orders] if all(o.is_final for o in orders) else []

        return eventually(ended, f"{', '.join(numbers)} end")

    def violations(self, *, at_rest: bool = True) -> list[Violation]:
        """The violated invariants of docs/saga.md. Needs `as_default`."""
        entries = statement(self.sandbox.ledger()["entries"])
        return [*check_invariants(at_rest=at_rest), *check_against_ledger(entries)]


def statement(entries: Sequence[dict[str, Any]]) -> Iterator[StatementEntry]:
    """Convert the sandbox's ledger to entries of the partner's statement: those that the portal
    asked for.
    """
    for entry in entries:
        if entry["kind"]:
            continue
        yield StatementEntry(
            transaction_id=entry["transaction_id"],
            kind=entry["type"],
            account_id=entry["account_id"],
            points=entry["points"],
            reference=entry["reference"],
            original_transaction_id=entry["original_transaction_id"],
            balance_after=entry["balance_after"],
            created_at=datetime.fromisoformat(entry["created_at"]),
        )
