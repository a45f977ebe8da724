"""Measures how long after a fault all due work is done."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field

import psycopg
from django.apps import apps

from loyalty_portal.data.leases import LeasedWork
from tests.chaos.actors.house import House
from tests.chaos.actors.nemesis import wait

LOOK = 0.1  # seconds between two polls
CATCH_UP = 8.0  # seconds to wait for due work before the next round
# The queues, with the columns of their keys.
TABLES = {
    each._meta.db_table: each._meta.pk.column
    for each in apps.get_models()
    if issubclass(each, LeasedWork)
}
# A leased row does not count as due: it is in progress, or will be due when the lease expires.
_DUE = " UNION ALL ".join(
    f"SELECT {key} FROM {table} WHERE next_attempt_at <= now()"
    " AND (lease_until IS NULL OR lease_until <= now())"
    for table, key in TABLES.items()
)
_LEFT = " UNION ALL ".join(
    f"SELECT {key} FROM {table} WHERE {key} = ANY(%(due)s) AND next_attempt_at <= %(now)s"
    for table, key in TABLES.items()
)


@dataclass
class Recovery:
    """Collects `seconds` by kind of fault. Waits at most `within` seconds for a due row."""

    within: float = CATCH_UP
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def measure(self, house: House, kind: str) -> None:
        """Measure from now, the end of a fault, until everything that is due now was tried."""
        began = time.monotonic()
        try:
            with house.connect() as link:
                due = [found[0] for found in link.execute(_DUE)]
                [[now]] = link.execute("SELECT now()").fetchall()
                facts = {"due": due, "now": now}
                while (
                    link.execute(_LEFT, facts).fetchone() and time.monotonic() < began + self.within
                ):
                    wait(LOOK)
        except psycopg.OperationalError:
            return  # the database does not answer
        self.seconds[kind].append(time.monotonic() - began)
