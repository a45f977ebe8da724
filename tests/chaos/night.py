"""Runs seed after seed on one PostgreSQL, and reports the results."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable

from tests.chaos import incidents, report
from tests.chaos.actors.house import ROOT, Postgres, own_postgres
from tests.chaos.plan import Plan, make_plan
from tests.chaos.recovery import Recovery
from tests.chaos.run import Outcome, built, run
from tests.support.stack import Databases

LOGS = ROOT / ".local" / "chaos-logs"


def night(seeds: Iterable[int], orders: int) -> int:
    """Run the seeds and print results. Returns 1 when something failed. Ctrl-C ends it early."""
    outcomes: list[Outcome] = []
    recovery = Recovery()
    with own_postgres() as postgres, Databases(postgres.address) as databases:
        try:
            plans = (make_plan(seed, orders) for seed in seeds)
            outcomes.extend(_one(postgres, databases, plan, recovery) for plan in plans)
        except KeyboardInterrupt:
            print("ended before its time", flush=True)
    _say(report.totals(outcomes))
    _say(report.recovery(recovery.seconds))
    all_told = sum((outcome.incidents for outcome in outcomes), Counter[str]())
    placed = sum(outcome.orders.total() for outcome in outcomes)
    too_many = list(incidents.left_open(all_told, placed))
    _say(str(finding) for finding in too_many)
    return int(bool(too_many) or any(outcome.findings for outcome in outcomes))


def _one(postgres: Postgres, databases: Databases, plan: Plan, recovery: Recovery) -> Outcome:
    """One run. Its logs are kept when it found something."""
    logs = LOGS / f"seed-{plan.seed}"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    with built(logs, postgres, databases) as house:
        outcome = run(house, plan, recovery)
    _say(report.told(outcome))
    if outcome.findings:
        again = f"make chaos SEED={plan.seed} ORDERS={plan.orders}"
        _say([f"    logs: {logs}", f"    again: {again}"])
    else:
        shutil.rmtree(logs)
    return outcome


def _say(lines: Iterable[str]) -> None:
    print("\n".join(lines), flush=True)
