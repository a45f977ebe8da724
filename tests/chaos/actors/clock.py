"""The scheduler's part: a night passes, and the worker compares all companies with the statement."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from kombu import Connection

from accounts.models import Company
from loyalty_portal.celery import app
from redemption.models import Reconciliation, RunOutcome
from tests.chaos.actors.house import House
from tests.chaos.actors.nemesis import wait
from tests.chaos.checks import Finding
from tests.support.orders.ageing import make_older

AN_HOUR = timedelta(hours=1)  # longer than the margin of the comparison
LOOK = 0.2
TRIES, SECONDS = 3, 15.0  # a worker that met a dead Redis sends nothing for ten seconds


def the_night_passes(house: House) -> Iterator[Finding]:
    """Make everything an hour older and queue the nightly task as the scheduler does.

    Yields a finding for each company that was not compared. Needs `as_default`.
    """
    make_older(house.sandbox, AN_HOUR)
    for _try in range(TRIES):
        with Connection(house.redis.url) as broker:
            app.send_task("redemption.tasks.reconcile_all", connection=broker)
        until = time.monotonic() + SECONDS
        while (left := _not_compared()) and time.monotonic() < until:
            wait(LOOK)
        if not left:
            return
    for company in left:
        yield Finding("NIGHT", company, "was not compared with its statement")


def _not_compared() -> list[str]:
    over = Reconciliation.objects.filter(outcome__in=(RunOutcome.AGREED, RunOutcome.DIFFERS))
    return list(
        Company.objects.exclude(pk__in=over.values("company")).values_list("name", flat=True)
    )
