"""Ten faults made for real: each arrives once at a pretended PagerDuty, and ends there.

The product pages about its own incidents, Alertmanager about the rest, and both go to the same
place, so a fault that pages by both ways would show. The rules are the shipped ones with all times
divided by BY (tests/production/prometheus/watching.py: shortened).
"""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from pytest_django.plugin import DjangoDbBlocker

from loyalty_portal.data.actor import Actor
from loyalty_portal.data.leases import MOST_RAISED
from redemption.incidents.services import raise_incident
from redemption.models import Alert, AlertAction, Incident, Letter, LetterKind, RedemptionOrder
from redemption.orders.actions.incidents import try_again
from redemption.states import IncidentKind
from tests.accounts.factories import UserFactory
from tests.production.prometheus.watching import PROGRAMS, PagerDuty, Watch, needs
from tests.production.stores.standby import Standby, standby_of
from tests.redemption.world import World
from tests.support.ports import free_port
from tests.support.stack import Databases, Stack
from tests.support.stack_fixtures import in_use
from tests.support.visitor import Visitor
from tests.support.waiting import eventually

BY = 12
ARRIVES = 120.0  # seconds within which a page comes
ENDS = 400.0  # and within which it ends after the cause

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def pagerduty() -> Iterator[PagerDuty]:
    with PagerDuty() as running:
        yield running


@pytest.fixture(scope="module")
def primary(databases: Databases) -> str:
    return databases.create()


@pytest.fixture(scope="module")
def standby(primary: str) -> Iterator[Standby]:
    with standby_of(primary) as running:
        yield running


@pytest.fixture(scope="module")
def watched(
    primary: str, standby: Standby, pagerduty: PagerDuty, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    running = Stack(
        tmp_path_factory.mktemp("watched"),
        primary,
        REPLICA_DATABASE_URL=standby.address,
        PAGERDUTY_URL=pagerduty.url,
        PAGERDUTY_ROUTING_KEY="pretended",
    )
    for process in (running.web, running.worker, running.sweeper):
        process.environment["METRICS_PORT"] = str(free_port())
    with running:
        yield running


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system of 8 MiB. Its place is one that the rules look at."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


class Secure:
    """An address with TLS, whose certificate can be replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.renew(days=90)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load()
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _Fine)
        server.socket = self._context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        self.close = server.shutdown

    def renew(self, *, days: int) -> None:
        key, certificate = self.folder / "key.pem", self.folder / "certificate.pem"
        make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days)]
        make += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
        make += ["-keyout", str(key), "-out", str(certificate)]
        subprocess.run(make, check=True, capture_output=True)
        if hasattr(self, "_context"):
            self._load()

    def _load(self) -> None:
        self._context.load_cert_chain(self.folder / "certificate.pem", self.folder / "key.pem")


class _Fine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with suppress(OSError):  # the prober has seen the certificate, and left
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    running = Secure(tmp_path_factory.mktemp("secure"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def watch(
    watched: Stack,
    pagerduty: PagerDuty,
    secure: Secure,
    disk: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watch]:
    needs(*PROGRAMS)
    processes = {"web": watched.web, "worker": watched.worker, "sweeper": watched.sweeper}
    targets = {job: int(each.environment["METRICS_PORT"]) for job, each in processes.items()}
    with Watch(
        tmp_path_factory.mktemp("watch"),
        targets=targets,
        database=watched.database,
        redis=watched.redis.url,
        outside=f"https://127.0.0.1:{secure.port}/healthz",
        pagerduty=pagerduty,
        disk=disk,
        trusts=secure.folder / "certificate.pem",
        # How fast this machine is, which runs other tests too, is not the question; and no index of the
        # catalogue is built here.
        without=(
            *("CheckoutSlow", "OrdersConfirmedLate", "LettersLate", "DueWorkWaits"),
            "SearchIndexAway",
        ),
        by=BY,
    ) as running:
        eventually(lambda: running.ask("portal_due_rows"), "the sweeper is read")
        yield running


@pytest.fixture
def stack(watched: Stack, watch: Watch, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    yield from in_use(watched, django_db_blocker)


class Page:
    """What arrives at PagerDuty during one fault."""

    def __init__(self, pagerduty: PagerDuty) -> None:
        self._pagerduty = pagerduty
        self._since = len(pagerduty.events)

    @property
    def came(self) -> list[str]:
        return list(self._pagerduty.pages(self._since).values())

    def arrives(self, name: str) -> None:
        eventually(lambda: name in self.came, f"the page {name}", within=ARRIVES, pause=0.5)

    def ends(self, name: str) -> None:
        eventually(
            lambda: self._pagerduty.is_over(name, self._since),
            f"the end of {name}",
            within=ENDS,
            pause=0.5,
        )

    def is_the_only_one(self, name: str, watch: Watch) -> None:
        """Nothing else came, and nothing else is about to come: no other alert is pending."""
        eventually(
            lambda: pending(watch) <= QUIET_ONES, "all alerts are over", within=ENDS, pause=0.5
        )
        assert self.came == [name]


QUIET_ONES = {"Watchdog", "DatabaseWasAway"}


def pending(watch: Watch) -> set[str]:
    """Alerts that fire or are about to."""
    return {each["metric"]["alertname"] for each in watch.ask("ALERTS")}


@pytest.fixture
def page(pagerduty: PagerDuty, watch: Watch) -> Page:
    """At the start nothing is wrong."""
    eventually(lambda: pending(watch) <= QUIET_ONES, "all is well", within=ENDS, pause=0.5)
    return Page(pagerduty)


def test_heartbeats_arrive_while_all_is_well(pagerduty: PagerDuty, page: Page) -> None:
    seen = pagerduty.heartbeats
    eventually(lambda: pagerduty.heartbeats > seen, "a heartbeat", within=150.0)
    assert page.came == []


def test_a_sweeper_that_stops(stack: Stack, watch: Watch, page: Page) -> None:
    stack.sweeper.stop()
    page.arrives("NobodySweeps")
    stack.sweeper.start()
    page.ends("NobodySweeps")
    page.is_the_only_one("NobodySweeps", watch)


def test_postgresql_that_stops_is_one_page(
    stack: Stack, shop: World, visitor: Visitor, watch: Watch, page: Page
) -> None:
    """While people go on asking for pages, which are 503."""
    with stack.database_away():
        browser = httpx.Client(base_url=stack.url, trust_env=False, timeout=60)

        def arrived() -> bool:
            browser.get("/accounts/login/")
            return "DatabaseAway" in page.came

        eventually(arrived, "the page", within=ARRIVES, pause=0.2)
        eventually(
            lambda: "NobodySweeps" in watch.firing(), "what follows fires", within=120.0, pause=0.5
        )
        assert page.came == ["DatabaseAway"]
    page.ends("DatabaseAway")
    page.is_the_only_one("DatabaseAway", watch)


def test_a_partner_that_is_down_is_an_incident_and_no_alert(
    stack: Stack, shop: World, visitor: Visitor, watch: Watch, page: Page
) -> None:
    stack.sandbox.kill()
    number = visitor.redeem(shop.product().get_absolute_url())
    page.arrives(IncidentKind.PARTNER_DOWN)
    stack.sandbox.launch()
    stack.mend()
    eventually(lambda: stack_order_is_taken(number), "the order goes on", within=ENDS)
    end_is_told_now()
    page.ends(IncidentKind.PARTNER_DOWN)
    page.is_the_only_one(IncidentKind.PARTNER_DOWN, watch)


def end_is_told_now() -> None:
    """The end of an incident is told an hour later, in case its cause comes back. Not wait for that."""
    ends = Alert.objects.filter(action=AlertAction.RESOLVE, sent_at=None)
    eventually(
        lambda: ends.update(next_attempt_at="2020-01-01T00:00:00Z"), "it is over", within=ENDS
    )


def stack_order_is_taken(number: str) -> bool:
    return RedemptionOrder.objects.get(order_number=number).status != "PENDING"


def test_redis_that_is_gone(stack: Stack, watch: Watch, page: Page) -> None:
    stack.redis.kill()
    page.arrives("RedisAway")
    stack.redis.start()
    page.ends("RedisAway")
    page.is_the_only_one("RedisAway", watch)


def test_a_disk_that_is_95_percent_full(stack: Stack, disk: Path, watch: Watch, page: Page) -> None:
    file = disk / "much"
    size = os.statvfs(disk).f_blocks * os.statvfs(disk).f_frsize
    file.write_bytes(b"x" * int(size * 0.95))
    page.arrives("DiskFull")
    file.unlink()
    page.ends("DiskFull")
    page.is_the_only_one("DiskFull", watch)


def test_a_replica_that_is_behind(stack: Stack, standby: Standby, watch: Watch, page: Page) -> None:
    """It replays nothing, while the sweeper goes on writing."""
    standby.ask("SELECT pg_wal_replay_pause()")
    page.arrives("ReplicaBehind")
    standby.ask("SELECT pg_wal_replay_resume()")
    page.ends("ReplicaBehind")
    page.is_the_only_one("ReplicaBehind", watch)


def test_a_certificate_of_10_days(stack: Stack, secure: Secure, watch: Watch, page: Page) -> None:
    secure.renew(days=10)
    page.arrives("CertificateEnds")
    secure.renew(days=90)
    page.ends("CertificateEnds")
    page.is_the_only_one("CertificateEnds", watch)


def test_a_burst_of_errors(
    stack: Stack, shop: World, visitor: Visitor, watch: Watch, page: Page
) -> None:
    """Pages that read a table which was renamed are 500."""
    browser = httpx.Client(
        base_url=stack.url, trust_env=False, timeout=60, cookies=dict(visitor._browser.cookies)
    )
    for _ in range(20):
        browser.get("/catalog/")
    with stack.connect() as database:
        database.execute("ALTER TABLE redemption_cart RENAME TO redemption_cart_away")
        try:
            eventually(
                lambda: (
                    browser.get("/cart/").status_code >= 0 and "ErrorBudgetBurnsFast" in page.came
                ),
                "the page",
                within=ARRIVES,
                pause=0.2,
            )
        finally:
            database.execute("ALTER TABLE redemption_cart_away RENAME TO redemption_cart")

    def well() -> bool:
        browser.get("/catalog/")
        return "ErrorBudgetBurnsFast" not in watch.firing()

    eventually(well, "it is over", within=ENDS, pause=0.2)
    page.ends("ErrorBudgetBurnsFast")
    assert page.came == ["ErrorBudgetBurnsFast"]


def test_alerts_that_do_not_get_through(
    stack: Stack, shop: World, pagerduty: PagerDuty, watch: Watch, page: Page
) -> None:
    """PagerDuty refuses the product's events, for whatever reason; Alertmanager says so."""
    pagerduty.refuses = True
    raise_incident(kind=IncidentKind.STOCK_DRIFT, key="stock_drift:test", what="Test")
    page.arrives("AlertsUnsent")
    assert page.came == ["AlertsUnsent"]
    pagerduty.refuses = False
    Alert.objects.filter(sent_at=None).update(next_attempt_at="2020-01-01T00:00:00Z")
    page.ends("AlertsUnsent")
    assert sorted(page.came) == ["AlertsUnsent", IncidentKind.STOCK_DRIFT]


def test_a_row_that_is_put_aside_is_an_incident_and_no_alert(
    stack: Stack, shop: World, visitor: Visitor, watch: Watch, page: Page
) -> None:
    number = visitor.redeem(shop.product().get_absolute_url())
    eventually(
        lambda: Letter.objects.filter(order__order_number=number, sent_at__isnull=False).exists(),
        "its letter",
    )
    letter = Letter.objects.filter(order__order_number=number).first()
    assert letter is not None
    # A letter of a kind that no template has, as a mistake of ours would make.
    broken = Letter.objects.create(order=letter.order, kind="no-such", key="broken", to=letter.to)
    Letter.objects.filter(pk=broken.pk).update(raised=MOST_RAISED - 1)
    page.arrives(IncidentKind.POISON_ROW)
    page.is_the_only_one(IncidentKind.POISON_ROW, watch)
    eventually(lambda: aside(watch) == 1, "the figure of rows put aside", pause=0.5)
    Letter.objects.filter(pk=broken.pk).update(kind=LetterKind.CONFIRMED)  # the mistake is mended
    incident = Incident.objects.get(kind=IncidentKind.POISON_ROW)
    try_again(incident=incident, by=Actor.person(UserFactory.create(is_staff=True)))
    # The lease of the last try, of a minute, ends first: whoever holds it might still succeed.
    eventually(
        lambda: Letter.objects.filter(pk=broken.pk, sent_at__isnull=False).exists(),
        "the letter is sent",
        within=ENDS,
    )
    eventually(lambda: aside(watch) == 0, "the figure is 0 again", within=ENDS, pause=0.5)
    end_is_told_now()
    page.ends(IncidentKind.POISON_ROW)
    page.is_the_only_one(IncidentKind.POISON_ROW, watch)


def aside(watch: Watch) -> float:
    """How many letters are put aside, as Prometheus knows."""
    [told] = watch.ask('max(portal_rows_put_aside{kind="letters"})')
    return float(told["value"][1])
