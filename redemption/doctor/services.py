"""The whole examination. Looks only; changes nothing, and works with any part missing."""

from functools import partial

from redemption.doctor import books, surroundings
from redemption.doctor.findings import Check, Finding, State, examined

# By what the line is about, for when the check itself fails.
_BOOKS: dict[str, Check] = {
    "Clocks": surroundings.clocks,
    "Migrations": surroundings.migrations,
    "Due work": books.due_work,
    "Leases": books.leases,
    "Rows put aside": books.parked,
    "Stuck orders": books.orders,
    "Incidents": books.incidents,
    "Unsettled points": books.unsettled_points,
    "Reconciliation": books.reconciliations,
    "Stock": books.stock,
}


def examine() -> list[Finding]:
    """A finding for each subject; in the order in which one cures."""
    database = examined("PostgreSQL", surroundings.database)
    answers = database[0].state == State.OK
    around: dict[str, Check] = {
        "Redis, cache": surroundings.cache,
        "Queues": surroundings.queues,
        "Partners": partial(surroundings.partners, with_database=answers),
        "Versions": partial(surroundings.versions, with_database=answers),
        "Pause": surroundings.pause,
    }
    checks = {**around, **_BOOKS} if answers else around
    return database + [
        finding for subject, check in checks.items() for finding in examined(subject, check)
    ]


def worst(findings: list[Finding]) -> State:
    return max((finding.state for finding in findings), key=list(State).index)
