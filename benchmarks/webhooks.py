"""`make bench-webhooks`: what the shop's visitors notice of attacks.

The attacks are 1,000 callbacks a second, nearly all forged, and 500 clients that never finish a
form. Two visitors read the catalogue on one server: alone, during the flood, and beside the slow
clients, alternately in one run. All run on this machine and share its cores, so the ratios are
worse than with separate machines.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks.__main__ import ROOT, Web, database, environment, pages, python, signed_in
from benchmarks.load import Result, run
from benchmarks.senders.flood import GENUINE
from loyalty_portal.local.embedded import Services

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
RATE = float(os.environ.get("BENCH_RATE", "1000"))
VISITORS = 2
SLOW = 500  # sockets


def visit(web: Web, cookies: list[str]) -> Result:
    asks = pages(cookies, lambda number: f"/catalog/?page={number % 40 + 1}")
    return run(asks, port=web.port, at_once=VISITORS, seconds=SECONDS)


def visit_beside(
    web: Web, cookies: list[str], module: str, amount: float
) -> tuple[Result, dict[str, float]]:
    """Visit while another process attacks. Returns the visitors' result and that process's
    report.
    """
    command = [sys.executable, "-m", module, str(web.port), str(amount), str(SECONDS)]
    with subprocess.Popen(command, cwd=ROOT, env=web.env, stdout=subprocess.PIPE) as other:
        result = visit(web, cookies)
        said, _nothing = other.communicate()
    return result, json.loads(said)


def callbacks_kept(address: str) -> int:
    with psycopg.connect(address) as link:
        row = link.execute("SELECT count(*) FROM redemption_callback").fetchone()
    return int(row[0]) if row else 0


def report(alone: list[Result], during: list[Result], beside: str) -> None:
    for name, look in (("median", median), ("p95", p95)):
        calm, wet = (statistics.median(map(look, each)) for each in (alone, during))
        print(f"catalogue, {name:7}{calm:8.1f} ms alone{wet:8.1f} ms {beside}{wet / calm:8.2f}")


def report_flood(floods: list[dict[str, float]]) -> None:
    sent = sum(each["sent"] for each in floods)
    seconds = SECONDS * len(floods)
    print(
        f"callbacks: {sent / seconds:.0f} a second of {RATE:.0f} wanted, one in {GENUINE} genuine"
    )
    for name in ("stored", "refused", "unanswered"):
        print(f"  {name}: {sum(each[name] for each in floods):.0f}")


def report_slow(alone: list[Result], during: list[Result], said: list[dict[str, float]]) -> None:
    pages = statistics.median(
        slow.rate / calm.rate for calm, slow in zip(alone, during, strict=True)
    )
    print(f"pages a second beside {SLOW} slow senders: {pages:.2f} of those alone (to reach 0.95)")
    print(f"  held open: {min(each['held'] for each in said):.0f}")
    print(f"  slowest /healthz: {max(each['healthz'] for each in said):.2f} s (to reach 1.00)")


def median(result: Result) -> float:
    return statistics.median(result.latencies)


def p95(result: Result) -> float:
    return result.p95


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        address = database(shared["DATABASE_URL"], "bench_webhooks")
        env = environment(shared, folder) | {"DATABASE_URL": address}
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        python("manage.py", "migrate", "-v0", env=env)
        sessions = json.loads(python("-m", "benchmarks.prepare", "setup", "20", env=env))
        web = Web("loyalty_portal.wsgi", env)
        stack.callback(web.close)
        web.wait("/healthz")
        rounds = []
        for number in range(ROUNDS + 1):  # the first round only warms up
            cookies = signed_in(sessions)
            wet, flood = visit_beside(web, cookies, "benchmarks.senders.flood", RATE)
            calm = visit(web, cookies)
            slow, said = visit_beside(web, cookies, "benchmarks.senders.slow", SLOW)
            if number:
                rounds.append((calm, wet, flood, slow, said))
            else:
                before = callbacks_kept(address)
        alone, during, floods, beside, slowness = map(list, zip(*rounds, strict=True))
        report(alone, during, "in the flood")
        report_flood(floods)
        report(alone, beside, "beside slow senders")
        report_slow(alone, beside, slowness)
        print(f"  kept in the inbox: {callbacks_kept(address) - before}")


if __name__ == "__main__":
    main()
