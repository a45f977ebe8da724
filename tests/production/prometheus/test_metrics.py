"""What the processes tell Prometheus, read from their ports as Prometheus does."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
import yaml
from pytest_django.plugin import DjangoDbBlocker

from loyalty_portal.data.leases import MOST_RAISED
from loyalty_portal.metrics.web_files import SIZE
from redemption.incidents.services import raise_incident
from redemption.models import Letter, LetterKind, OrderItem, RedemptionOrder
from redemption.states import IncidentKind, OrderStatus
from tests.production.prometheus.figures import scraped, told_once
from tests.production.prometheus.watching import PROGRAMS, SHIPPED, Watch, needs
from tests.redemption.world import World
from tests.support.daemons import ROOT
from tests.support.ports import answers, free_port
from tests.support.stack import Databases, Stack
from tests.support.stack_fixtures import in_use
from tests.support.visitor import Visitor
from tests.support.waiting import eventually

STATE = {
    *("portal_orders", "portal_due_rows", "portal_due_oldest_seconds", "portal_leases_expired"),
    *("portal_rows_put_aside", "portal_unsettled_points", "portal_callbacks_parked"),
    *("portal_incidents_open", "portal_alerts_unsent", "portal_reservations_open"),
    *("portal_sweeper_last_look_timestamp_seconds", "portal_reconciled_age_seconds"),
    *("portal_net_effect_difference_points", "portal_breaker_open"),
}
MOST_SERIES = 500  # of one process


@pytest.fixture(scope="module")
def watched(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The portal with a port for the figures of each process."""
    running = Stack(
        tmp_path_factory.mktemp("watched"),
        databases.create(),
        settings="tests.production.prometheus.settings_quick",
        PROMETHEUS_MULTIPROC_DIR=str(tmp_path_factory.mktemp("files")),
    )
    for process in (running.web, running.worker, running.sweeper):
        process.environment["METRICS_PORT"] = str(free_port())
    with running:
        yield running


@pytest.fixture
def stack(watched: Stack, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    yield from in_use(watched, django_db_blocker)


def port_of(process: object) -> int:
    return int(process.environment["METRICS_PORT"])  # type: ignore[attr-defined]


def redeemed(stack: Stack, shop: World, visitor: Visitor) -> str:
    """Redeem a virtual product, and wait for the order's end. Returns its number."""
    number = visitor.redeem(shop.virtual(points=500).get_absolute_url())
    assert stack.ends(number) == [OrderStatus.COMPLETED]
    return number


def test_an_order_shows_in_the_figures_of_web_worker_and_sweeper(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    redeemed(stack, shop, visitor)

    web = told_once(port_of(stack.web), "portal_requests_total", route="checkout", status="3xx")
    assert web.sum("portal_orders_total", outcome="placed") == 1
    assert web.sum("portal_request_seconds_count", route="checkout") == 1
    asked = {"partner": "loyalty", "operation": "POST /debit", "outcome": "succeeded"}
    ports = [port_of(process) for process in (stack.worker, stack.sweeper)]

    def both(name: str, **labels: str) -> float:
        return sum(scraped(port).sum(name, **labels) for port in ports)

    assert both("portal_partner_calls_total", **asked) == 1
    assert both("portal_partner_seconds_count", partner="loyalty") >= 1
    assert both("portal_orders_total", outcome="confirmed") == 1
    assert both("portal_order_seconds_count", step="confirmed") == 1
    eventually(
        lambda: both("portal_messages_total", kind="letter", outcome="sent") >= 1, "a letter"
    )
    assert both("portal_order_seconds_count", step="letter") >= 1
    sweeper = told_once(ports[1], "portal_reconciled_age_seconds")
    assert sweeper.names >= STATE
    assert sweeper.of("portal_net_effect_difference_points") == [0]
    for port in (port_of(stack.web), *ports):
        assert len(scraped(port).samples) <= MOST_SERIES


def test_no_label_names_a_company_a_person_or_an_id(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    number = redeemed(stack, shop, visitor)
    visitor.get(f"/orders/{number}/")
    visitor.get("/no-such-page-0123456789/")
    told = [scraped(port_of(each)) for each in (stack.web, stack.worker, stack.sweeper)]
    labels = {
        text for each in told for _name, labels, _value in each.samples for text in labels.values()
    }
    words = " ".join(labels)
    order = OrderItem.objects.filter(order__order_number=number).select_related("order").first()
    assert order is not None
    secret = [number, str(order.order_id), shop.company.name, shop.seat.user.email, "no-such-page"]
    assert [each for each in secret if each in words] == []
    assert "orders:detail" in labels


def test_the_public_port_tells_no_figures(stack: Stack, visitor: Visitor) -> None:
    for path in ("/metrics", "/metrics/"):
        assert visitor.get(path).status_code == 404


def test_probes_are_no_requests(stack: Stack) -> None:
    before = scraped(port_of(stack.web)).sum("portal_requests_total")
    with urlopen(f"{stack.url}/healthz", timeout=10):
        pass
    assert scraped(port_of(stack.web)).sum("portal_requests_total") == before


def workers_of(stack: Stack) -> list[psutil.Process]:
    assert stack.web.process is not None
    return psutil.Process(stack.web.process.pid).children()


def test_a_web_process_that_was_killed_takes_nothing_from_the_counters(
    stack: Stack, visitor: Visitor
) -> None:
    """Scraped all the while, also while the next process is forked."""
    for _ in range(10):
        visitor.get("/catalog/")
    port = port_of(stack.web)
    before = scraped(port).sum("portal_requests_total", route="catalog:list")
    assert before >= 10
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            killed = workers_of(stack)
            scrapes = [pool.submit(scraped, port) for _ in range(40)]
            for worker in killed:
                worker.kill()
            gone = {each.pid for each in killed}
            eventually(
                lambda gone=gone: len({p.pid for p in workers_of(stack)} - gone) == len(gone),  # type: ignore[misc]
                "new web processes",
            )
            for scrape in scrapes:
                assert scrape.result().sum("portal_requests_total", route="catalog:list") >= before
    stack.web.start()  # waits until it answers
    assert scraped(port).sum("portal_requests_total", route="catalog:list") == before
    visitor.get("/catalog/")
    eventually(
        lambda: scraped(port).sum("portal_requests_total", route="catalog:list") == before + 1,
        "the new process counts",
    )


def test_the_files_are_few_have_room_and_go_with_the_server(stack: Stack) -> None:
    assert stack.web.process is not None
    parent = Path(stack.web.environment["PROMETHEUS_MULTIPROC_DIR"])
    ours = parent / str(stack.web.process.pid)
    assert list(parent.iterdir()) == [ours]
    # its own, of former and of each process
    eventually(
        lambda: len(list(ours.glob("*.db"))) == 2 * (2 + len(workers_of(stack))),
        "each process has its files",
    )
    for file in ours.iterdir():
        assert file.stat().st_size == SIZE
        assert file.stat().st_blocks * 512 >= SIZE
        used = int.from_bytes(file.read_bytes()[:4], "little")
        assert used < SIZE / 2
    stack.web.stop()
    assert list(parent.iterdir()) == []


def test_what_a_killed_server_left_is_removed_at_the_next_start(stack: Stack) -> None:
    parent = Path(stack.web.environment["PROMETHEUS_MULTIPROC_DIR"])
    stack.web.kill()
    [left] = parent.iterdir()
    stack.web.start()
    assert stack.web.process is not None
    assert [each.name for each in parent.iterdir()] == [str(stack.web.process.pid)]
    assert not left.exists()


def test_a_port_that_is_taken_is_told_once_it_is_free(stack: Stack, visitor: Visitor) -> None:
    """As while a server is replaced. It serves meanwhile, and the log says why nothing is told."""
    port = port_of(stack.web)
    stack.web.stop()
    with socket.create_server(("127.0.0.1", port)) as taken:
        taken.settimeout(1)
        stack.web.start()
        assert visitor.get("/catalog/").status_code == 200
        why = f"127.0.0.1 port {port} cannot be opened (Address already in use)"
        eventually(lambda: why in stack.web.log.read_text(), "it says so")
    told = told_once(port, "portal_requests_total", route="catalog:list")
    assert told.sum("portal_requests_total", route="catalog:list") >= 1


def test_without_a_port_nothing_is_opened(stack: Stack, visitor: Visitor) -> None:
    port = port_of(stack.web)
    stack.web.stop()
    stack.web.environment["METRICS_PORT"] = "0"
    try:
        stack.web.start()
        assert visitor.get("/catalog/").status_code == 200
        assert not answers(port)
    finally:
        stack.web.stop()
        stack.web.environment["METRICS_PORT"] = str(port)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, on which a file of a process has no room."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_folder_without_room_fails_no_request(
    stack: Stack, visitor: Visitor, small: Path
) -> None:
    serves_without_figures(stack, visitor, small)


@pytest.mark.long  # the same as without room
def test_a_folder_that_can_only_be_read_fails_no_request(
    stack: Stack, visitor: Visitor, small: Path
) -> None:
    remount = ["mount", "-o", "remount,ro", str(small)]
    subprocess.run(remount, check=True)
    serves_without_figures(stack, visitor, small)


def serves_without_figures(stack: Stack, visitor: Visitor, folder: Path) -> None:
    usual = stack.web.environment["PROMETHEUS_MULTIPROC_DIR"]
    stack.web.stop()
    stack.web.environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    try:
        stack.web.start()
        answered = {visitor.get("/catalog/").status_code for _ in range(20)}
        assert answered == {200}
        log = stack.web.log.read_text()
        assert f"{folder} cannot be used" in log
        eventually(lambda: answers(port_of(stack.web)), "the port is open")
        assert scraped(port_of(stack.web)).of("portal_requests_total") == []
    finally:
        stack.web.stop()
        stack.web.environment["PROMETHEUS_MULTIPROC_DIR"] = usual


@pytest.mark.long  # the same, in a process that serves
def test_a_folder_that_fills_up_later_fails_no_request(
    stack: Stack, visitor: Visitor, tmp_path: Path
) -> None:
    """There is room for the main process and no more, so those that serve count nothing."""
    folder = tmp_path / "later"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={5 * SIZE}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    usual = stack.web.environment["PROMETHEUS_MULTIPROC_DIR"]
    stack.web.stop()
    stack.web.environment["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    try:
        stack.web.start()
        assert {visitor.get("/catalog/").status_code for _ in range(20)} == {200}
        assert "this web process counts nothing for Prometheus" in stack.web.log.read_text()
    finally:
        stack.web.stop()
        stack.web.environment["PROMETHEUS_MULTIPROC_DIR"] = usual
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_row_that_was_put_aside_is_told_with_its_incident(
    stack: Stack, shop: World, visitor: Visitor
) -> None:
    order = RedemptionOrder.objects.get(order_number=redeemed(stack, shop, visitor))
    aside = Letter.objects.create(
        order=order, kind=LetterKind.CONFIRMED, key="aside", to="a@b.example"
    )
    Letter.objects.filter(pk=aside.pk).update(
        raised=MOST_RAISED, next_attempt_at=None, sent_at=None
    )
    key = f"poison_row:letters:{aside.pk}"
    facts = {"work": "letters", "id": str(aside.pk)}
    raise_incident(kind=IncidentKind.POISON_ROW, key=key, what="x", facts=facts)
    port = port_of(stack.sweeper)
    told_once(port, "portal_incidents_open", kind="POISON_ROW", severity="error")
    told = told_once(port, "portal_rows_put_aside", kind="letters")
    assert told.sum("portal_rows_put_aside", kind="letters") == 1


def test_points_that_went_astray_are_told(stack: Stack, shop: World, visitor: Visitor) -> None:
    """A line says that it was given back, and nothing was."""
    number = redeemed(stack, shop, visitor)
    OrderItem.objects.filter(order__order_number=number).update(
        quantity_delivered=0, quantity_refunded=1
    )
    told = told_once(port_of(stack.sweeper), "portal_net_effect_difference_points")
    assert told.of("portal_net_effect_difference_points") == [500]


@pytest.mark.long  # what was read is told for a minute
def test_the_state_is_not_told_while_it_cannot_be_read(stack: Stack) -> None:
    """Rather nothing than what was true once."""
    port = port_of(stack.sweeper)
    with stack.database_away():
        eventually(lambda: not scraped(port).of("portal_due_rows"), "nothing is told", within=90.0)
    eventually(lambda: scraped(port).of("portal_due_rows"), "it is told again", within=60.0)


@pytest.fixture(scope="module")
def watch(watched: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """Prometheus and its exporters, which read the portal's processes."""
    needs(*(name for name in PROGRAMS if name != "prometheus-alertmanager"))
    processes = {"web": watched.web, "worker": watched.worker, "sweeper": watched.sweeper}
    with Watch(
        tmp_path_factory.mktemp("watch"),
        targets={job: port_of(process) for job, process in processes.items()},
        database=watched.database,
        redis=watched.redis.url,
        outside=f"{watched.url}/healthz",
    ) as running:
        yield running


@pytest.mark.long  # series of a portal that is well: other tests beside it disturb them
def test_every_expression_of_the_dashboards_finds_a_series(
    stack: Stack, shop: World, visitor: Visitor, watch: Watch
) -> None:
    redeemed(stack, shop, visitor)
    eventually(lambda: watch.ask('portal_order_seconds_count{step="letter"}'), "a letter is seen")
    redeemed(stack, shop, visitor)  # a rate needs a step that Prometheus has seen
    asked = {
        panel["targets"][0]["expr"]
        for file in (ROOT / "deploy/grafana").glob("*.json")
        for panel in json.loads(file.read_text())["panels"]
    }
    assert len(asked) > 30
    empty = set(asked)

    def all_found() -> bool:
        for expression in sorted(empty):
            if watch.ask(expression):
                empty.discard(expression)
        return not empty

    with suppress(AssertionError):
        eventually(all_found, "all find something", within=60.0, pause=1.0)
    assert empty == set()


# Told by the replica's own check, where there is one, and of an address with a certificate.
NOT_HERE = {"portal_replica_lag_seconds", "probe_ssl_earliest_cert_expiry"}


@pytest.mark.long  # series of a portal that is well: other tests beside it disturb them
def test_every_series_of_the_rules_is_told_and_no_alert_fires_of_a_portal_that_is_well(
    stack: Stack, watch: Watch
) -> None:
    groups = [
        group
        for name in ("recording", "slo", "alerts")
        for group in yaml.safe_load((SHIPPED / f"{name}.yml").read_text())["groups"]
    ]
    said = " ".join(rule["expr"] for group in groups for rule in group["rules"])
    named = set(re.findall(r"\b(?:portal|pg|node|redis|probe)_[a-z_]+", said))
    assert len(named) > 20
    assert [name for name in sorted(named - NOT_HERE) if not watch.ask(name)] == []
    # The windows of the error budget hold nothing but these seconds.
    assert watch.firing() <= {"Watchdog", "DiskFull"}
