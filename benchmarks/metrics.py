"""`make bench-metrics`: the portal with figures for Prometheus beside itself without, in turns.

Both use the same database and server settings. What counts is the CPU time of the web processes for
a request, which does not depend on other work of the machine; requests a second are told too. While
the first is measured, its port is scraped every second, more often than Prometheus does.
"""

import itertools
import json
import os
import socket
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from urllib.request import urlopen

import psutil

from benchmarks.__main__ import (
    AT_ONCE,
    BUYERS,
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
from benchmarks.load import Ask, run
from loyalty_portal.local.embedded import Services

TARGET = 0.97


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def busy(web: Web) -> float:
    """Seconds of CPU time that the server's processes have used, its main process included."""
    main = psutil.Process(web.process.pid)
    times = [each.cpu_times() for each in (main, *main.children())]
    return float(sum(time.user + time.system for time in times))


@contextmanager
def scraped(port: int) -> Iterator[None]:
    """Scrape the port every second meanwhile; port 0: do not."""
    stop = Event()

    def scrape() -> None:
        while not stop.wait(1.0):
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as told:
                told.read()

    thread = Thread(target=scrape, daemon=True)
    if port:
        thread.start()
    yield
    stop.set()
    if port:
        thread.join()


def measured(web: Web, port: int, asks: Iterable[Ask], seconds: float) -> tuple[float, float]:
    """CPU milliseconds of a request, and requests a second."""
    before = busy(web)
    with scraped(port):
        result = run(asks, port=web.port, at_once=AT_ONCE, seconds=seconds)
    return (busy(web) - before) * 1000 / len(result.latencies), result.rate


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        env = environment(shared, folder)
        env |= {"DATABASE_URL": database(shared["DATABASE_URL"], "bench_portal")}
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        python("manage.py", "migrate", "-v0", env=env)
        made = python("-m", "benchmarks.prepare", "setup", str(BUYERS), env=env)
        cookies = signed_in(json.loads(made))
        ports = {"with": free_port(), "without": 0}
        webs = {}
        for how, port in ports.items():
            webs[how] = Web("loyalty_portal.wsgi", env | {"METRICS_PORT": str(port)})
            stack.callback(webs[how].close)
            webs[how].wait("/healthz")

        def catalogue() -> tuple[Iterable[Ask], float]:
            return pages(cookies, lambda n: f"/catalog/?page={n % 40 + 1}"), SECONDS

        def placing() -> tuple[Iterable[Ask], float]:
            carts = json.loads(python("-m", "benchmarks.prepare", "carts", "spread", env=env))
            return [checkout(c, *cart) for c, cart in zip(cookies, carts, strict=True)], 60.0

        return report(webs, ports, {"catalogue": catalogue, "placing": placing})


def report(
    webs: dict[str, Web],
    ports: dict[str, int],
    kinds: dict[str, Callable[[], tuple[Iterable[Ask], float]]],
) -> int:
    """Measure in turns, print the ratios, and return 1 when one misses the target."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(ROUNDS + 1):  # the first round only warms up
        # Whichever comes first is at an advantage, so they take turns at that too.
        hows = list(webs) if number % 2 else list(reversed(list(webs)))
        for kind, how in itertools.product(kinds, hows):
            result = measured(webs[how], ports[how], *kinds[kind]())
            if number:
                found.setdefault((kind, how), []).append(result)
    missed = 0
    print(f"{'':12}{'CPU with':>10}{'without':>10}{'ratio':>8}{'req/s ratio':>13}   to reach")
    for kind in kinds:
        pairs = list(zip(found[kind, "with"], found[kind, "without"], strict=True))
        cpu = statistics.median(without[0] / told[0] for told, without in pairs)
        rate = statistics.median(told[1] / without[1] for told, without in pairs)
        told, without = (statistics.median(each[0] for each in found[kind, how]) for how in webs)
        print(f"{kind:12}{told:8.2f}ms{without:8.2f}ms{cpu:8.3f}{rate:13.3f}   {TARGET}")
        missed += cpu < TARGET
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
