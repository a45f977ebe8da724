"""`make bench-api`: what the API costs beside the barest view, beside the checkout, and beside a flood.

The first part compares requests in one process, alternately (benchmarks/api/measured.py). The second
has a web server: one company calls at ten times its limit, and another at its usual pace, in turn
with calls of the latter alone. BENCH_ROUNDS (11) and BENCH_SECONDS (6, of each turn) may be given.
Fails when a figure is missed.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.__main__ import ROOT, Web, database, environment, python
from benchmarks.load import Result
from benchmarks.senders.calls import usual
from loyalty_portal.local.embedded import Services

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "11"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))
LIMIT = 1200  # calls of a company a minute
TIMES = 10  # of its limit
MOST = 1.5  # p95 during the flood, of alone


def fairness(port: int, greedy: str, other: str) -> bool:
    """Print how the flood of one company slows another. Returns whether it is little enough."""
    ratios = []
    for number in range(-1, ROUNDS):  # the first is for warming up
        alone = usual(port, other, SECONDS)
        flood = [sys.executable, "-m", "benchmarks.senders.calls", str(port), greedy]
        flood += [str(LIMIT * TIMES / 60), str(SECONDS + 1)]
        with subprocess.Popen(flood, cwd=ROOT, stdout=subprocess.PIPE, text=True) as sending:
            beside = usual(port, other, SECONDS)
            told = sending.communicate()[0]
        if number >= 0:
            ratios.append(beside.p95 / alone.p95)
            print(_round(number, alone, beside, json.loads(told)), flush=True)
    found = statistics.median(ratios)
    print(f"another company's p95 beside a flood: {found:.2f} of alone (at most {MOST})")
    return found <= MOST


def _round(number: int, alone: Result, beside: Result, flood: dict[str, int]) -> str:
    told = f"round {number}: p95 {alone.p95:.1f} ms alone, {beside.p95:.1f} ms beside "
    return told + ", ".join(f"{count} × {status}" for status, count in sorted(flood.items()))


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=False))
        shared = dict(os.environ) | services.addresses
        env = environment(shared, folder) | {
            "DATABASE_URL": database(shared["DATABASE_URL"], "bench_api"),
            "EMAIL_URL": "dummymail://",
            "API_RATE_COMPANY": str(LIMIT),
        }
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        python("manage.py", "migrate", "-v0", env=env)
        python("-m", "benchmarks.prepare", "setup", "40", env=env)
        measured = [sys.executable, "-m", "benchmarks.api.measured", "compare"]
        missed = subprocess.run(measured, cwd=ROOT, env=env, check=False).returncode
        keys = json.loads(python("-m", "benchmarks.api.measured", "keys", env=env))
        web = Web("loyalty_portal.wsgi", env)
        stack.callback(web.close)
        web.wait("/healthz")
        return 0 if fairness(web.port, *keys) and not missed else 1


if __name__ == "__main__":
    sys.exit(main())
