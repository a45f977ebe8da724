"""The databases: the primary, and a replica for reports if there is one."""

from typing import Any

from loyalty_portal.configuration import processes
from loyalty_portal.configuration.environment import Environment

# A replica that does not answer must not hold a page up, and its role is read-only anyway
# (deploy/postgres); the operator's own options come after these and win.
REPLICA_OPTIONS = "-c default_transaction_read_only=on -c statement_timeout=60s"
REPLICA_CONNECTION = {  # seconds, and how many probes may be lost
    "connect_timeout": 2,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}


def databases(env: Environment, *, debug: bool) -> dict[str, dict[str, Any]]:
    """Django's DATABASES. Problems are added to `env`."""
    local = "postgresql://portal@127.0.0.1:5432/portal" if debug else ""
    primary = env.database("DATABASE_URL", local, waits=processes.statement_timeout())
    if primary is None:
        env.wrong("DATABASE_URL", "is missing; PostgreSQL is where everything is kept.")
    found = {"default": primary or {}}
    if replica := env.database("REPLICA_DATABASE_URL"):
        options = replica["OPTIONS"]
        options["options"] = f"{REPLICA_OPTIONS} {options['options']}"
        found["replica"] = {**replica, "OPTIONS": {**REPLICA_CONNECTION, **options}}
    for each in found.values():
        each["ENGINE"] = "loyalty_portal.fastpath.postgresql"
        # Each thread keeps one connection: connecting costs more than most queries.
        each.setdefault("CONN_MAX_AGE", 600)
        each.setdefault("CONN_HEALTH_CHECKS", True)
        # Used by the fastpath only: Django's own cursors send SQL that cannot be prepared.
        each.setdefault("OPTIONS", {})["prepare_threshold"] = 5
    return found


def longest_lag(env: Environment) -> float:
    """For how many seconds the replica may be behind the primary and still be read."""
    return env.seconds("REPLICA_MAX_LAG", 30, low=1, high=3600)
