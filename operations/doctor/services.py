"""Runs all checks. They only read, and they work while any part is down."""

from functools import partial

from operations.doctor import data_checks, infrastructure_checks
from operations.doctor.findings import Check, Finding, State, examined

# Subject lines, used when a check itself fails.
_BOOKS: dict[str, Check] = {
    "Replica": infrastructure_checks.replica,
    "Clocks": infrastructure_checks.clocks,
    "Migrations": infrastructure_checks.migrations,
    "Due work": data_checks.due_work,
    "Leases": data_checks.leases,
    "Rows put aside": data_checks.parked,
    "Stuck orders": data_checks.orders,
    "Incidents": data_checks.incidents,
    "Unsettled points": data_checks.unsettled_points,
    "Reconciliation": data_checks.reconciliations,
    "Stock": data_checks.stock,
    "Low stock": data_checks.short_stock,
}


def examine() -> list[Finding]:
    """Run all checks. Findings come in the order in which problems should be fixed."""
    database = examined("PostgreSQL", infrastructure_checks.database)
    answers = database[0].state == State.OK
    around: dict[str, Check] = {
        "Redis, cache": infrastructure_checks.cache,
        "Queues": infrastructure_checks.queues,
        "Search index": infrastructure_checks.search_index,
        "Partners": partial(infrastructure_checks.partners, with_database=answers),
        "Versions": partial(infrastructure_checks.versions, with_database=answers),
        "Pause": infrastructure_checks.pause,
    }
    checks = {**around, **_BOOKS} if answers else around
    return database + [
        finding for subject, check in checks.items() for finding in examined(subject, check)
    ]


def worst(findings: list[Finding]) -> State:
    return max((finding.state for finding in findings), key=list(State).index)
