"""Everything that production has, as processes of this machine, on free loopback ports.

PostgreSQL, Redis, HAProxy, nginx for static files, and two machines with a web process for pages, one for the API, a worker
and a sweeper each; the partners are the sandbox. The processes run with production settings (DEBUG
off) from a release's folder. They start by the product's supervisor, so none outlives the tests.

To add a server, for example Prometheus: make a `Daemon` of it and give it to `Production.add`.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import secrets
import ssl
import sys
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.contrib.auth.hashers import PBKDF2PasswordHasher

from accounts.models import AccountManager, Company, Role
from redemption.invariants.checks import Violation, check_against_ledger, check_invariants
from tests.chaos.actors.house import Postgres
from tests.house.env_files import production
from tests.house.image.processes import Redis, make_database
from tests.production.control import Control
from tests.production.haproxy.balancer import Balancer, Origin
from tests.production.release import Release
from tests.redemption.world import World
from tests.support.daemons import Daemon, Web
from tests.support.mailbox import Mailbox
from tests.support.ports import free_port
from tests.support.sandbox_process import SandboxProcess
from tests.support.stack import as_default, fill_migrated, statement
from tests.support.visitor import Visitor
from tests.support.waiting import eventually

MACHINES = ("machine1", "machine2")
START_SECONDS = 400.0  # for processes on a busy machine
QUEUES = "loyalty,fulfillment,notifications,default"
DIALS = {"mode": "accept", "delay": 0.1, "honour_keys": True, "processing_event": False}


@dataclass
class Machine:
    """One of the machines with the product's processes."""

    name: str
    web: Web
    api: Web
    worker: Daemon
    sweeper: Daemon
    processes: tuple[Daemon, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.processes = (self.web, self.api, self.worker, self.sweeper)

    def stop(self) -> None:
        """SIGTERM to all its processes at once, as systemd does, and wait for their end."""
        for process in self.processes:
            if process.process is not None and process.is_running:
                process.process.terminate()
        for process in self.processes:
            process.stop()


class Production(AbstractContextManager["Production"]):
    """The running parts: `postgres`, `redis`, `balancer`, `machines`, `beat`, `sandbox`, `mailbox`.

    `url` is the portal's https:// address, `tls` trusts its certificate. `variables` are further
    variables of the product's processes.
    """

    def __init__(self, folder: Path, postgres: Postgres, **variables: str) -> None:
        self.folder = folder
        self.postgres = postgres
        self.mailbox = Mailbox()
        self.sandbox: SandboxProcess
        self._running = ExitStack()
        self._keys = {name: secrets.token_urlsafe(32) for name in ("api", "redis", "database")}
        self._webhook_secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        self.redis = Redis(folder, port := free_port(), self._keys["redis"])
        self.redis_url = f"redis://:{self._keys['redis']}@127.0.0.1:{port}/0"
        role = "portal_app"
        self.database = (
            f"postgresql://{role}:{self._keys['database']}@127.0.0.1:{postgres.port}/{role}"
        )
        self.certificate = folder / "portal.pem"
        authority = make_certificate(self.certificate)
        self.tls = ssl.create_default_context(cadata=authority)
        self.release = Release(folder / "release-1")
        ports = {f"{kind}_{number}": free_port() for kind in ("WEB", "API") for number in (1, 2)}
        self.origin = Origin(folder)
        servers = ports | {"STATIC_1": self.origin.port}
        self.balancer = Balancer(folder, self.certificate, servers)
        self.url = f"https://127.0.0.1:{self.balancer.port}"
        self._partners_port = free_port()
        self.variables = self._variables() | variables
        self.machines = {
            name: self._machine(name, ports[f"WEB_{number}"], ports[f"API_{number}"])
            for number, name in enumerate(MACHINES, start=1)
        }
        self.beat = self._celery("beat", "beat")
        self.control = Control({"stop": self._stop, "start": self._start})
        self._added: list[Daemon] = []

    def _variables(self) -> dict[str, str]:
        partners = f"http://127.0.0.1:{self._partners_port}"
        return production(
            ALLOWED_HOSTS="127.0.0.1",
            PORTAL_URL=self.url,
            TRUSTED_PROXY_COUNT="1",
            DATABASE_URL=self.database,
            REDIS_URL=self.redis_url,
            LOYALTY_API_URL=f"{partners}/loyalty",
            LOYALTY_API_KEY=self._keys["api"],
            FULFILLMENT_API_URL=f"{partners}/fulfillment",
            FULFILLMENT_API_KEY=self._keys["api"],
            FULFILLMENT_WEBHOOK_SECRETS=self._webhook_secret,
            PARTNER_TIMEOUT="3",
            PARTNER_DEADLINE="3",
            EMAIL_URL=self.mailbox.url,
            WEB_CONCURRENCY="1",
            MEDIA_ROOT=str(self.folder / "media"),
            BEAT_SCHEDULE_FILE=str(self.folder / "beat"),
        )

    # --- Its processes ---------------------------------------------------------------------

    def environment(self, **more: str) -> dict[str, str]:
        """The variables of one process. Each has a port of its own for its figures."""
        figures = {"METRICS_PORT": str(free_port())}
        return self.release.variables | self.variables | figures | more

    def _machine(self, name: str, web_port: int, api_port: int) -> Machine:
        sweep = [sys.executable, "manage.py", "sweep"]
        return Machine(
            name,
            self._web(f"{name}-web", web_port),
            self._web(f"{name}-api", api_port),
            self._celery(f"{name}-worker", "worker", "-P", "threads", "-c", "8", "-Q", QUEUES),
            self._daemon(f"{name}-sweeper", sweep),
        )

    def _daemon(self, name: str, command: list[str]) -> Daemon:
        heartbeat = str(self.folder / f"{name}.heartbeat")
        made = Daemon(name, command, self.environment(HEARTBEAT_FILE=heartbeat), self.folder)
        made.folder = self.release.app
        return made

    def _celery(self, name: str, *arguments: str) -> Daemon:
        quiet = "ignore:You're running the worker"  # the tests may run as root
        celery = [sys.executable, "-W", quiet, "-m", "celery", "-q", "-A", "loyalty_portal"]
        return self._daemon(name, [*celery, *arguments])

    def _web(self, name: str, port: int) -> Web:
        command = [sys.executable, "-m", "loyalty_portal.web", "--bind", f"127.0.0.1:{port}"]
        made = Web(name, command, self.environment(), self.folder)
        made.folder = self.release.app
        made.port = port
        return made

    @property
    def processes(self) -> tuple[Daemon, ...]:
        machines = (each for machine in self.machines.values() for each in machine.processes)
        ours = (self.redis, *machines, self.beat)
        return (*ours, self.origin, self.balancer, *self._added)

    def _stop(self, machine: str) -> None:
        self.machines[machine].stop()

    def _start(self, machine: str) -> None:
        """Start a machine's processes from `release`, which a deploy has changed."""
        for process in self.machines[machine].processes:
            process.folder = self.release.app
            process.launch()

    def add(self, process: Daemon) -> None:
        """Take over a further server: start it now, restart it after each test that stopped it,
        and stop it at the end.
        """
        self._added.append(process)
        self._running.callback(process.kill)
        process.start()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            starting.enter_context(self.mailbox)
            starting.enter_context(self.control)
            for process in self.processes:
                starting.callback(process.kill)
            self.redis.launch()
            make_database(self.postgres.address, "portal_app", self._keys["database"])
            fill_migrated(self.database)  # as this role, which then owns everything
            self.manage("migrate", "--verbosity=0")
            self.manage("staff_groups")
            self.publish()
            self.sandbox = SandboxProcess.start(
                port=self._partners_port,
                data_dir=self.folder / "sandbox",
                webhook_url=f"{self.url}/webhooks/fulfillment/",
                webhook_secret=self._webhook_secret,
                options=("--api-key", self._keys["api"]),
                SSL_CERT_FILE=str(self.certificate),
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
        """Start and repair everything, and wait until the balancer sends requests to all."""
        self.postgres.ensure()
        for process in self.processes:
            process.resume()
            process.launch()
        if self.sandbox.process is None:
            self.sandbox.launch()
        self.sandbox.clear_faults()
        self.sandbox.dial(**DIALS)
        self.balancer.start()
        for server in self.balancer.states():
            self.balancer.order(f"set server {server} state ready")
        eventually(
            self.balancer.sends_to_all, "all servers are ready", within=START_SECONDS, pause=0.5
        )

    def manage(self, *arguments: str, release: Release | None = None, **more: str) -> str:
        """Run a command of manage.py as an operator does. Returns what it printed."""
        command = ["python", "manage.py", *arguments]
        return (release or self.release).run(command, self.environment(**more)).stdout

    def publish(self) -> None:
        """Put the static files of `release` beside those of earlier ones."""
        self.manage("publish_static", str(self.origin.files))

    def news(self) -> str:
        """The output of the processes since the last call."""
        return "\n".join(filter(None, (process.news() for process in self.processes)))

    # --- Its people ------------------------------------------------------------------------

    def as_default(self) -> AbstractContextManager[None]:
        return as_default(self.database)

    def world(self) -> World:
        """A company with points, and products to redeem. Needs `as_default`."""
        return World(self.sandbox)

    def buyer(self, world: World, company: Company | None = None) -> Visitor:
        """A buyer who has signed in through the balancer, over HTTPS. Needs `as_default`."""
        seat: AccountManager = world.new_seat(Role.BUYER, company)
        password = secrets.token_urlsafe()
        seat.user.password = PBKDF2PasswordHasher().encode(password, "salt", 1_000)
        seat.user.save(update_fields=["password"])
        visitor = self.visitor()
        visitor.sign_in(seat.user.email, password)
        return visitor

    def visitor(self) -> Visitor:
        # Django wants to know which page a form was on, as browsers tell over HTTPS.
        visitor = Visitor(self.url, {}, headers={"Referer": f"{self.url}/"}, tls=self.tls)
        self._running.callback(visitor.close)
        return visitor

    def violations(self, *, at_rest: bool = True) -> list[Violation]:
        """The violated invariants of docs/saga.md. Needs `as_default`."""
        entries = statement(self.sandbox.ledger()["entries"])
        return [*check_invariants(at_rest=at_rest), *check_against_ledger(entries)]


def make_certificate(file: Path, *, days: float = 30) -> str:
    """Write a key and a certificate for 127.0.0.1, as HAProxy reads it. Returns the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    certificate = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.touch(mode=0o600)
    file.write_bytes(certificate + private)
    return certificate.decode()
