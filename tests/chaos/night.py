"""Seed after seed on one PostgreSQL, and what came of all of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from tests.chaos import report
from tests.chaos.house import ROOT, own_postgres
from tests.chaos.plan import make_plan
from tests.chaos.recovery import Recovery
from tests.chaos.run import built, run
from tests.stack import Databases

LOGS = ROOT / ".local" / "chaos-logs"


def night(seeds: Iterable[int], orders: int) -> int:
    """Prints as it goes; 1 when something does not hold; those seeds' logs stay."""
    outcomes, recovery = [], Recovery()
    with own_postgres() as postgres, Databases(postgres.address) as databases:
        for seed in seeds:
            logs = LOGS / f"seed-{seed}"
            shutil.rmtree(logs, ignore_errors=True)
            logs.mkdir(parents=True)
            with built(logs, postgres, databases) as house:
                outcome = run(house, make_plan(seed, orders), recovery)
            outcomes.append(outcome)
            _say(report.told(outcome))
            if outcome.findings:
                print(f"    logs: {logs}\n    again: make chaos SEED={seed} ORDERS={orders}")
            else:
                shutil.rmtree(logs)
    _say(report.totals(outcomes))
    _say(report.recovery(recovery.seconds))
    return int(any(outcome.findings for outcome in outcomes))


def _say(lines: Iterable[str]) -> None:
    print("\n".join(lines), flush=True)
