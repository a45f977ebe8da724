"""One order through everything that production has, and as those see it that watch production: the
standby, the figures, the traces, the log, and who is called at night.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from redemption.models import RedemptionOrder
from redemption.states import OrderStatus
from tests.loyalty_portal.configuration.observability.receiver import Receiver
from tests.production.logs.elasticsearch import Elasticsearch
from tests.production.logs.shipping import LOGS, needs_rsyslog, shipped
from tests.production.prometheus.watching import PROGRAMS, PagerDuty, Watch, needs
from tests.production.stack import Production
from tests.production.stores.standby import Standby, standby_of
from tests.support.waiting import eventually

SECONDS = 120.0  # on a busy machine
JOBS = {"web", "worker", "sweeper", "postgres", "redis", "node", "outside"}


def status(number: str) -> str:
    return str(RedemptionOrder.objects.values_list("status", flat=True).get(order_number=number))


def test_an_order_goes_through_the_balancer_to_the_partners_and_back(
    production: Production,
) -> None:
    world = production.world()
    card, mug = world.virtual(), world.product()
    buyer = production.buyer(world)

    number = buyer.redeem(card.get_absolute_url())
    physical = buyer.redeem(mug.get_absolute_url())

    eventually(
        lambda: status(number) == OrderStatus.COMPLETED, "the order is delivered", within=SECONDS
    )
    assert "Completed" in buyer.get(f"/orders/{number}/").text
    eventually(
        lambda: status(physical) == OrderStatus.CONFIRMED,
        "the other order waits for the desk",
        within=SECONDS,
    )
    order = RedemptionOrder.objects.get(order_number=number)
    assert world.ledger(order) == (order.total_points, 0)
    eventually(lambda: production.mailbox.about(number), "a letter tells of it", within=SECONDS)
    assert not production.violations(at_rest=False)


@dataclass
class Watchers:
    """What stands around the portal."""

    standby: Standby
    traces: Receiver
    logs: Elasticsearch
    pagerduty: PagerDuty
    figures: Watch


@contextmanager
def with_variables(production: Production, **variables: str) -> Iterator[None]:
    """Restart the product's processes with further variables, and end those afterwards."""
    machines = production.machines.values()
    processes = [each for machine in machines for each in machine.processes]
    before = {each.name: dict(each.environment) for each in processes}
    for each in processes:
        each.kill()  # nobody is served, so nobody waits for SHUTDOWN_DELAY
        each.environment.update(variables)
    try:
        production.mend()
        yield
    finally:
        for each in processes:
            each.kill()
            each.environment.clear()
            each.environment.update(before[each.name])


@pytest.fixture
def watchers(production: Production, tmp_path: Path) -> Iterator[Watchers]:
    needs(*PROGRAMS)
    administrator = urlsplit(production.postgres.address)._replace(path="/portal_app").geturl()
    configuration = (LOGS / "rsyslog.conf").read_text()
    for folder in ("ship", "watch"):
        (tmp_path / folder).mkdir()
    with ExitStack() as running:
        standby = running.enter_context(standby_of(administrator, portal="portal_app"))
        traces = running.enter_context(Receiver())
        logs = running.enter_context(shipped(tmp_path / "ship", production.folder, configuration))
        pagerduty = running.enter_context(PagerDuty())
        running.enter_context(
            with_variables(
                production,
                REPLICA_DATABASE_URL=standby.address,
                OTEL_EXPORTER_OTLP_ENDPOINT=traces.url,
                OTEL_TRACES_SAMPLER_ARG="1",
                LOG_FORMAT="ecs",
                PAGERDUTY_URL=pagerduty.url,
                PAGERDUTY_ROUTING_KEY=secrets.token_hex(16),
            )
        )
        machine = production.machines["machine1"]
        jobs = {"web": machine.web, "worker": machine.worker, "sweeper": machine.sweeper}
        figures = Watch(
            tmp_path / "watch",
            targets={job: int(each.environment["METRICS_PORT"]) for job, each in jobs.items()},
            database=production.database,
            redis=production.redis_url,
            outside=f"{production.url}/healthz",
            pagerduty=pagerduty,
            trusts=production.certificate,
            without=("DiskFull",),  # how full this machine's disks are is not the question
        )
        running.enter_context(figures)
        yield Watchers(standby, traces, logs, pagerduty, figures)


@needs_rsyslog
def test_one_order_is_seen_by_all_that_watch(production: Production, watchers: Watchers) -> None:
    world = production.world()
    buyer = production.buyer(world)
    number = buyer.redeem(world.virtual().get_absolute_url())

    def order() -> RedemptionOrder:
        return RedemptionOrder.objects.get(order_number=number)

    eventually(
        lambda: order().status == OrderStatus.COMPLETED, "the order is delivered", within=SECONDS
    )
    # the standby
    eventually(lambda: watchers.standby.has_all, "the standby follows", within=SECONDS)
    with psycopg.connect(watchers.standby.address) as link:
        told = link.execute(
            "SELECT status FROM redemption_order WHERE order_number = %s", (number,)
        ).fetchone()
    assert told == (OrderStatus.COMPLETED,)
    # the traces: from the click to the partner, over two processes
    debit = world.debit(order())
    trace = str(debit.traceparent).split("-")[1]

    def told_by() -> set[str]:
        return {each.process for each in watchers.traces.of(trace)}

    def asked() -> set[str]:
        told = (each.facts.get("portal.partner") for each in watchers.traces.of(trace))
        return {partner for partner in told if partner}

    eventually(lambda: told_by() > {"web"}, "the trace leads on from the click", within=SECONDS)
    eventually(lambda: "loyalty" in asked(), "it leads on to the loyalty system", within=SECONDS)
    # the log: the same trace
    eventually(
        lambda: any(each.get("trace.id") == trace for each in watchers.logs.lines.values()),
        "the log's lines have the trace",
        within=SECONDS,
    )
    assert watchers.logs.refused == []
    # the figures
    ask = watchers.figures.ask
    eventually(
        lambda: {each["metric"]["job"] for each in ask("up == 1")} == JOBS,
        "all are scraped",
        within=SECONDS,
    )
    eventually(lambda: ask("portal_due_rows"), "the sweeper tells its state", within=SECONDS)
    eventually(lambda: watchers.pagerduty.heartbeats, "a heartbeat", within=SECONDS)
    assert watchers.figures.firing() == {"Watchdog"}
    assert watchers.pagerduty.events == []
    assert not production.violations(at_rest=False)
