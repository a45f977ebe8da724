"""`make bench-webhooks`: what visitors of the shop notice of 1,000 callbacks a second, nearly all
of them forged.

One server, two visitors who read the catalogue page after page; in turn alone and during the
flood, in one run. The flood comes from this machine as well and takes its own share of it, so
the ratio is worse than it would be elsewhere.
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
from benchmarks.flood import GENUINE
from benchmarks.load import Result, run
from loyalty_portal.embedded import Services

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "5"))
RATE = float(os.environ.get("BENCH_RATE", "1000"))
VISITORS = 2


def visit(web: Web, cookies: list[str]) -> Result:
    asks = pages(cookies, lambda number: f"/catalog/?page={number % 40 + 1}")
    return run(asks, port=web.port, at_once=VISITORS, seconds=SECONDS)


def visit_in_the_flood(web: Web, cookies: list[str]) -> tuple[Result, dict[str, int]]:
    command = [sys.executable, "-m", "benchmarks.flood", str(web.port), str(RATE), str(SECONDS)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as flood:
        result = visit(web, cookies)
        said, _nothing = flood.communicate()
    return result, json.loads(said)


def callbacks_kept(address: str) -> int:
    with psycopg.connect(address) as link:
        row = link.execute("SELECT count(*) FROM redemption_callback").fetchone()
    return int(row[0]) if row else 0


def report(alone: list[Result], during: list[Result], floods: list[dict[str, int]]) -> None:
    for name, look in (("median", lambda each: statistics.median(each.latencies)), ("p95", p95)):
        calm, wet = (statistics.median(map(look, each)) for each in (alone, during))
        print(f"catalogue, {name:7}{calm:8.1f} ms alone{wet:8.1f} ms in the flood{wet / calm:8.2f}")
    sent = sum(each["sent"] for each in floods)
    seconds = SECONDS * len(floods)
    print(
        f"callbacks: {sent / seconds:.0f} a second of {RATE:.0f} wanted, one in {GENUINE} genuine"
    )
    for name in ("stored", "refused", "unanswered"):
        print(f"  {name}: {sum(each[name] for each in floods)}")


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
        alone, during, floods = [], [], []
        for number in range(ROUNDS + 1):  # the first is for warming up
            calm = visit(web, signed_in(sessions))
            wet, flood = visit_in_the_flood(web, signed_in(sessions))
            if number:
                alone.append(calm)
                during.append(wet)
                floods.append(flood)
            else:
                before = callbacks_kept(address)
        report(alone, during, floods)
        print(f"  kept in the inbox: {callbacks_kept(address) - before}")


if __name__ == "__main__":
    main()
