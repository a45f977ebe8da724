"""`make bench`: measures the portal beside a bare Django app, alternately in one run; with the
fastpath, and as plain Django (FASTPATH=false).

Both use the same server, workers, database server and client. The result of each cell is the median
of the ratios to its baseline, each taken within one round, seconds apart. A shared machine changes
its speed from minute to minute, so figures taken minutes apart cannot be compared.
"""

import itertools
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import psutil
import psycopg

from benchmarks.load import RECIPIENT, Ask, Result, run
from loyalty_portal.configuration.tokens import new_key
from loyalty_portal.local.embedded import Services

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "9"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
BUYERS = 400
AT_ONCE = 8
CSRF = "b" * 32
TARGETS = {
    "catalogue": 0.4,
    "product page": 0.4,
    "placing, spread": 0.5,
    "placing, one product": 0.5,
}
MEMORY_LIMIT = 160  # MB of memory for a web worker

Cell = Callable[[], Result]


def python(*arguments: str, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=env | {"LOG_FORMAT": "console"},  # on stderr, beside what is printed
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout.strip()


def database(address: str, name: str) -> str:
    """Create a fresh database with this name on the server. Returns its address."""
    with psycopg.connect(address, autocommit=True) as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}"')
    return address.rpartition("/")[0] + f"/{name}"


def environment(shared: dict[str, str], folder: Path) -> dict[str, str]:
    """The environment variables of production, with partners that are never called."""
    signing_key = folder / "signing.pem"
    signing_key.write_bytes(new_key())
    return shared | {
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "127.0.0.1",
        "PORTAL_URL": "https://127.0.0.1",
        "LOYALTY_API_URL": "http://127.0.0.1:9/loyalty",
        "LOYALTY_API_KEY": secrets.token_urlsafe(),
        "FULFILLMENT_API_URL": "http://127.0.0.1:9/fulfillment",
        "FULFILLMENT_API_KEY": secrets.token_urlsafe(),
        "FULFILLMENT_WEBHOOK_SECRETS": "whsec_" + b64encode(secrets.token_bytes(32)).decode(),
        "FIELD_ENCRYPTION_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "JWT_SIGNING_KEYS": str(signing_key),
        "STATIC_ROOT": str(folder / "static"),
        "METRICS_PORT": "0",  # several of each process run here
    }


class Web:
    """A gunicorn with the project's own settings."""

    def __init__(self, module: str, env: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        command = [
            sys.executable,
            "-m",
            "gunicorn",
            module,
            "--bind",
            f"127.0.0.1:{self.port}",
            "--log-level",
            "error",
        ]
        self.env = env
        # As in production, another process reads the log.
        self.reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=self.reader.stdin)

    def wait(self, path: str) -> None:
        for _ in range(200):
            try:
                with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)
        raise SystemExit("The server did not start.")

    def memory(self) -> list[float]:
        """The resident memory of each worker, in MB."""
        workers = psutil.Process(self.process.pid).children()
        return [worker.memory_info().rss / 2**20 for worker in workers]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.reader.communicate()


def signed_in(sessions: list[str]) -> list[str]:
    return [f"sessionid={session}; csrftoken={CSRF}" for session in sessions]


def pages(cookies: list[str], path: Callable[[int], str]) -> Iterable[Ask]:
    return (Ask(path(n), 200, cookies[n % len(cookies)]) for n in itertools.count())


def checkout(cookie: str, token: str, points: int) -> Ask:
    form = {
        "csrfmiddlewaretoken": CSRF,
        "token": token,
        "seen_points": points,
        **RECIPIENT,
    }
    return Ask("/checkout/", 303, cookie, urlencode(form))


PLAIN = ", plain"  # ends the name of a cell of the portal with FASTPATH=false


def cells(
    bare: Web, first: int, portals: dict[str, Web], env: dict[str, str], cookies: list[str]
) -> dict[str, Cell]:
    """What is measured in each round, in this order: a baseline, then each portal."""

    def go(web: Web, asks: Iterable[Ask], seconds: float = SECONDS) -> Result:
        return run(asks, port=web.port, at_once=AT_ONCE, seconds=seconds)

    def bare_placing(product: Callable[[int], int]) -> Result:
        asks = (Ask("/place/", 302, form=f"product={product(n)}") for n in range(BUYERS))
        return go(bare, asks, 60)

    def placing(web: Web, how: str) -> Result:
        carts = json.loads(python("-m", "benchmarks.prepare", "carts", how, env=env))
        asks = [checkout(cookie, *cart) for cookie, cart in zip(cookies, carts, strict=True)]
        return go(web, asks, 60)

    def both(name: str, measure: Callable[[Web], Result]) -> dict[str, Cell]:
        return {f"{name}{how}": partial(measure, web) for how, web in portals.items()}

    def listed(web: Web) -> Result:
        return go(web, pages(cookies, lambda n: f"/catalog/?page={n % 40 + 1}"))

    def product(web: Web) -> Result:
        return go(web, pages(cookies, lambda n: f"/catalog/product-{n * 7 % 1000:04d}/"))

    bare_list = (Ask(f"/?page={n % 40 + 1}", 200) for n in itertools.count())
    return {
        "bare list": lambda: go(bare, bare_list),
        **both("catalogue", listed),
        **both("product page", product),
        "bare placing, spread": lambda: bare_placing(lambda n: first + n * 7 % 1000),
        **both("placing, spread", lambda web: placing(web, "spread")),
        "bare placing, one product": lambda: bare_placing(lambda _n: first),
        **both("placing, one product", lambda web: placing(web, "one")),
    }


def baseline(name: str) -> str:
    return f"bare {name.removesuffix(PLAIN)}" if name.startswith("placing") else "bare list"


def report(results: dict[str, list[Result]], memory: list[float]) -> None:
    """Two columns for the portal: with the fastpath, and as plain Django."""

    def median(name: str, what: Callable[[Result], float]) -> float:
        return statistics.median(what(each) for each in results[name])

    def beside(name: str, other: str) -> list[float]:
        """The ratios, from the least to the greatest."""
        pairs = zip(results[name], results[other], strict=True)
        return sorted(one.rate / two.rate for one, two in pairs)

    def figures(name: str) -> str:
        told = f"{median(name, lambda each: each.rate):9.0f}"
        told += f"{median(name, lambda each: each.p95):9.1f}"
        if name.startswith("bare"):
            return told
        ratios = beside(name, baseline(name))
        spread = f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        return f"{told}{statistics.median(ratios):9.2f} {spread:14}"

    column = f"{'req/s':>9}{'p95 ms':>9}{'of bare':>9} {'spread':14}"
    print(f"\n{'':28}{'FASTPATH=true':>24}{'':26}{'FASTPATH=false':>24}")
    print(f"{'':28}{column}{column}{'to reach':>9}")
    for name in results:
        if name.endswith(PLAIN):
            continue
        plain = f"{figures(name + PLAIN)}{TARGETS[name]:9.2f}" if name in TARGETS else ""
        print(f"{name:28}{figures(name)}{plain}")
    one = statistics.median(beside("placing, one product", "placing, spread"))
    print(f"\none product beside the spread: {one:.2f} (to reach: 0.60)")
    print(
        f"memory of the web workers: {', '.join(f'{each:.0f}' for each in memory)} MB (at most {MEMORY_LIMIT})"
    )


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        address = shared["DATABASE_URL"]
        portal_env = environment(shared, folder) | {
            "DATABASE_URL": database(address, "bench_portal")
        }
        bare_env = shared | {"DATABASE_URL": database(address, "bench_bare"), "METRICS_PORT": "0"}
        first = int(python("-m", "benchmarks.bare.prepare", env=bare_env))
        python("manage.py", "collectstatic", "--noinput", "-v0", env=portal_env)
        python("manage.py", "migrate", "-v0", env=portal_env)
        sessions = json.loads(
            python("-m", "benchmarks.prepare", "setup", str(BUYERS), env=portal_env)
        )
        bare = Web("benchmarks.bare.wsgi", bare_env)
        stack.callback(bare.close)
        bare.wait("/")
        portals = {}
        for how, fastpath in (("", "true"), (PLAIN, "false")):
            portals[how] = Web("loyalty_portal.wsgi", portal_env | {"FASTPATH": fastpath})
            stack.callback(portals[how].close)
            portals[how].wait("/healthz")
        table = cells(bare, first, portals, portal_env, signed_in(sessions))
        results: dict[str, list[Result]] = {name: [] for name in table}
        for number in range(ROUNDS + 1):  # the first round only warms up
            for name, measure in table.items():
                result = measure()
                if number:
                    results[name].append(result)
                    print(f"round {number}: {name:28}{result.rate:8.0f}/s", flush=True)
        report(results, portals[""].memory())


if __name__ == "__main__":
    main()
