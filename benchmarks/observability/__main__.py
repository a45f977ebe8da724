"""`make bench-observability`: what the line of each request and traces cost, in turns in one run.

Three web servers of the portal beside each other: without the line, with it, and with traces of which
a tenth is kept and sent to a receiver. Their logs are read by another process, as in production.
Each ratio is taken within one round, seconds apart, of the requests a second, and of the CPU of the
web workers a request, which other work on the machine changes less. BENCH_ROUNDS (9) and
BENCH_SECONDS (2) may be given. Fails when a median misses its target.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil

from benchmarks.__main__ import (
    AT_ONCE,
    ROOT,
    ROUNDS,
    SECONDS,
    Web,
    checkout,
    database,
    environment,
    pages,
    python,
    signed_in,
)
from benchmarks.load import Result, run
from loyalty_portal.local.embedded import Services

BUYERS = 200
SAMPLED = "0.1"
# Of the figure of the server named second, at least.
TARGETS = {("line", "silent"): 0.97, ("traces", "line"): 0.95}
RECEIVER = """
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_given):
        pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Call)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


def worker_seconds(web: Web) -> float:
    """The CPU that the web workers have used."""
    workers = psutil.Process(web.process.pid).children()
    return sum(sum(worker.cpu_times()[:2]) for worker in workers)


def measured(web: Web, go: Callable[[Web], Result]) -> tuple[float, float]:
    """Requests a second, and requests a second of CPU."""
    before = worker_seconds(web)
    result = go(web)
    return result.rate, len(result.latencies) / (worker_seconds(web) - before)


def kinds(env: dict[str, str], cookies: list[str]) -> dict[str, Callable[[Web], Result]]:
    def listed(web: Web) -> Result:
        asks = pages(cookies, lambda n: f"/catalog/?page={n % 40 + 1}")
        return run(asks, port=web.port, at_once=AT_ONCE, seconds=SECONDS)

    def placing(web: Web) -> Result:
        carts = json.loads(python("-m", "benchmarks.prepare", "carts", "spread", env=env))
        asks = [checkout(cookie, *cart) for cookie, cart in zip(cookies, carts, strict=True)]
        return run(asks, port=web.port, at_once=AT_ONCE, seconds=60)

    return {"catalogue": listed, "placing": placing}


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=False))
        shared = dict(os.environ) | services.addresses
        env = environment(shared, folder) | {
            "DATABASE_URL": database(shared["DATABASE_URL"], "bench_observability"),
            "WEB_CONCURRENCY": "2",
        }
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        python("manage.py", "migrate", "-v0", env=env)
        sessions = json.loads(python("-m", "benchmarks.prepare", "setup", str(BUYERS), env=env))
        receiver = subprocess.Popen(
            [sys.executable, "-c", RECEIVER], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        stack.callback(receiver.kill)
        assert receiver.stdout
        endpoint = f"http://127.0.0.1:{receiver.stdout.readline().strip()}"
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_SAMPLER_ARG": SAMPLED}
        webs = {}
        for name, more in (
            ("silent", {"DJANGO_SETTINGS_MODULE": "benchmarks.observability.settings_silent"}),
            ("line", {}),
            ("traces", traced),
        ):
            webs[name] = Web("loyalty_portal.wsgi", env | more)
            stack.callback(webs[name].close)
            webs[name].wait("/healthz")
        table = {
            (kind, name): partial(measured, web, go)
            for kind, go in kinds(env, signed_in(sessions)).items()
            for name, web in webs.items()
        }
        results: dict[tuple[str, str], list[tuple[float, float]]] = {cell: [] for cell in table}
        for number in range(ROUNDS + 1):  # the first round only warms up
            for cell, measure in table.items():
                rate, of_cpu = measure()
                if number:
                    results[cell].append((rate, of_cpu))
                    told = f"round {number}: {cell[0]:10} {cell[1]:7}"
                    print(f"{told}{rate:8.0f}/s {of_cpu:8.0f}/s of CPU", flush=True)
        return int(not report(results))


def report(results: dict[tuple[str, str], list[tuple[float, float]]]) -> bool:
    """Print the ratios. Returns whether those of CPU reach their targets."""
    fine = True
    for kind in dict.fromkeys(kind for kind, _name in results):
        for (name, beside), target in TARGETS.items():
            pairs = list(zip(results[kind, name], results[kind, beside], strict=True))
            rates = sorted(one[0] / other[0] for one, other in pairs)
            of_cpu = sorted(one[1] / other[1] for one, other in pairs)
            found = statistics.median(of_cpu)
            fine = fine and found >= target
            print(
                f"{kind:10} {name:7} of {beside:7}"
                f"{statistics.median(rates):6.2f} ({rates[0]:.2f} to {rates[-1]:.2f}) by rate,"
                f"{found:6.3f} ({of_cpu[0]:.2f} to {of_cpu[-1]:.2f}) by CPU, to reach {target}"
            )
    return fine


if __name__ == "__main__":
    sys.exit(main())
