"""The second part of `make bench-saga`: lines from placed to delivered, in orders of 500 lines and in
orders of one.

Both partners take 100 ms for each call. The same workers' code works on copies of one database on
one server, alternately, and the ratio of the two is what counts: it is at least 1 while the lines
of one order do not wait for each other.
"""

import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks.__main__ import database, environment, python
from benchmarks.saga.__main__ import PARTNER_SECONDS, copy, start_partners, start_workers
from loyalty_portal.local.embedded import Services

LINES = int(os.environ.get("BENCH_LINES", "1000"))
IN_EACH = int(os.environ.get("BENCH_IN_EACH", "500"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
WARM = 50  # orders of two lines, which the workers deliver first


def delivered(address: str) -> int:
    with psycopg.connect(address) as link:
        asked = "SELECT count(*) FROM order_item WHERE fulfillment_status = 'DELIVERED'"
        row = link.execute(asked).fetchone()
    return int(row[0]) if row else 0


def wait_for(address: str, number: int) -> None:
    while delivered(address) < number:
        time.sleep(0.05)


def lines_per_second(env: dict[str, str], in_each: int) -> float:
    """Measure the lines in orders of `in_each`, from the first nudge to the last delivery."""
    address = env["DATABASE_URL"]
    with ExitStack() as running:
        start_workers(running, env)
        python("-m", "benchmarks.saga.prepare", "nudge", "2", env=env)
        wait_for(address, WARM * 2)
        time.sleep(2)  # until the letters of those orders are sent
        python("-m", "benchmarks.saga.prepare", "nudge", str(in_each), env=env)
        began = time.perf_counter()
        first = delivered(address)
        wait_for(address, WARM * 2 + LINES)
        return (WARM * 2 + LINES - first) / (time.perf_counter() - began)


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        address = shared["DATABASE_URL"]
        partner = start_partners(stack)
        env = environment(shared, folder) | {
            "DATABASE_URL": database(address, "bench_lines"),
            "LOYALTY_API_URL": partner,
            "FULFILLMENT_API_URL": partner,
            "EMAIL_URL": "dummymail://",
        }
        python("manage.py", "migrate", "-v0", env=env)
        for in_each, count in ((2, WARM * 2), (1, LINES), (IN_EACH, LINES)):
            python("-m", "benchmarks.saga.prepare", "lines", str(in_each), str(count), env=env)
        rates: dict[int, list[float]] = {IN_EACH: [], 1: []}
        for number in range(ROUNDS):
            for in_each, found in rates.items():
                run = copy(address, "bench_lines", "bench_lines_run")
                found.append(lines_per_second(env | {"DATABASE_URL": run}, in_each))
            told = ", ".join(
                f"orders of {size}: {found[-1]:.0f}/s" for size, found in rates.items()
            )
            print(f"round {number + 1}: {told}")
        many, one = (statistics.median(found) for found in rates.values())
        print(
            f"\nlines placed to delivered, partners of {PARTNER_SECONDS * 1000:.0f} ms: "
            f"{many:.0f} lines/s in orders of {IN_EACH}, {one:.0f} lines/s in orders of one; "
            f"ratio {many / one:.2f} (at least 1); load {os.getloadavg()[0]:.1f}"
        )
    sys.exit(many < one)


if __name__ == "__main__":
    main()
