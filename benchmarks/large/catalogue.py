"""`make bench-catalog`: pages of the catalogue that were never asked before, beside the bare list.

For each number of products (BENCH_PRODUCTS=1000,100000; 1000000 on demand) the rows are measured
in turns with the bare list of 24, in the same run, while the index is followed. Each request has an
address of its own, and finds products. Suggestions are measured as one types.

Beside the speed stands the processor time that a web worker takes for a request, and its ratio to
the bare list: other load on the machine changes it less.
"""

import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import psutil
import psycopg

from benchmarks.__main__ import AT_ONCE, ROOT, Web, database, environment, python, signed_in
from benchmarks.load import Ask, Result, run
from loyalty_portal.local.embedded import Services

SIZES = [int(size) for size in os.environ.get("BENCH_PRODUCTS", "1000,100000").split(",")]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
BUYERS = 40
SUGGESTIONS = "suggestions"
WORDS = [
    "anchor",
    "apron",
    "basket",
    "beaker",
    "blanket",
    "bottle",
    "bowl",
    "brush",
    "bucket",
    "candle",
    "carafe",
    "chair",
    "clock",
    "coaster",
    "cushion",
    "drill",
    "easel",
    "fender",
    "filter",
    "flask",
    "fork",
    "frame",
    "glove",
    "grater",
    "hammer",
    "hanger",
    "helmet",
    "jug",
    "kettle",
    "knife",
    "ladle",
    "lamp",
    "lantern",
    "level",
    "mat",
    "mirror",
    "mixer",
    "mug",
    "napkin",
    "oven",
    "paddle",
    "pan",
    "pillow",
    "pitcher",
    "planter",
    "plate",
    "pot",
    "radio",
    "rack",
    "rug",
    "saw",
    "scale",
    "scarf",
    "shelf",
    "shovel",
    "spoon",
    "stool",
    "table",
    "teapot",
    "thermos",
    "tray",
    "trowel",
    "vase",
    "whisk",
]
COLOURS = [
    "red",
    "blue",
    "green",
    "black",
    "white",
    "grey",
    "brown",
    "pink",
    "teal",
    "amber",
    "ivory",
    "coral",
]
TARGETS = {"two words": (0.4, 0.3), "one word": (0.4, 0.3), "category, points, sort": (0.4, 0.12),
           "points, sort, page": (0.4, 0.12)}  # fmt: skip
SUGGESTED_WITHIN = 100  # ms, at the 95th percentile
BROUGHT_BY_WORKERS = 40  # MB of private memory at most, beside a worker that searches nothing
_NAME = """initcap(c[1 + n %% 12] || ' ' || w[1 + (n * 7) %% 63] || ' ' || w[1 + (n / 63) %% 63]
    || ' ' || n)"""
_WORDS = "words AS (SELECT %(words)s::text[] AS w, %(colours)s::text[] AS c)"
# The products that are there get names and prices like those that follow.
_LIKE_THE_OTHERS = f"""
    WITH {_WORDS}, numbers AS (SELECT id, substr(sku, 7)::int AS n FROM product WHERE sku LIKE 'BENCH-%%')
    UPDATE product SET name = {_NAME}, points_cost = 100 + (n::bigint * 7919) %% 90000
    FROM numbers, words WHERE numbers.id = product.id
"""
# Products by SQL alone.
_MORE = f"""
    WITH {_WORDS},
    numbers AS (SELECT n, uuidv7(interval '1 millisecond' * n) AS id FROM generate_series(%(first)s, %(last)s) n)
    INSERT INTO product (id, sku, name, slug, brand, description, product_type, points_cost, image_url,
        category_id, variant, is_card, minimum_tier, is_active, stock_status, created_at, updated_at)
    SELECT id, 'MORE-' || n,
        {_NAME}, 'more-' || n,
        'Brand ' || (n * 13) %% 300, '<p>' || w[1 + (n * 5) %% 63] || ' for every day, made to last.</p>',
        CASE WHEN n %% 9 = 0 THEN 'VIRTUAL' ELSE 'PHYSICAL' END, 100 + (n::bigint * 7919) %% 90000, '',
        (SELECT id FROM catalog_category ORDER BY slug OFFSET n %% 12 LIMIT 1), '', true,
        CASE WHEN n %% 10 = 0 THEN 'GOLD' ELSE 'BRONZE' END, true,
        CASE WHEN n %% 17 = 0 THEN 'OUT' ELSE 'IN_STOCK' END, now() - interval '1 second' * n, now()
    FROM numbers, words
"""


def like_the_others(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as link:
        link.execute(_LIKE_THE_OTHERS, {"words": WORDS, "colours": COLOURS})
        link.execute("VACUUM ANALYZE product")


def grow(
    address: str, first: int, last: int, *, at_once: int = 50_000, triggers: bool = True
) -> None:
    """Add products to the portal's database, so many in one transaction. Without the triggers, which
    write stock, PostgreSQL's own search and what followers read, a million takes a minute.
    """
    with psycopg.connect(address, autocommit=True) as link:
        if not triggers:
            link.execute("SET session_replication_role = replica")
        for start in range(first, last, at_once):
            link.execute(
                _MORE,
                {
                    "words": WORDS,
                    "colours": COLOURS,
                    "first": start,
                    "last": min(start + at_once, last) - 1,
                },
            )
        link.execute("VACUUM ANALYZE product")


def rows(cookies: list[str]) -> dict[str, Iterable[Ask]]:
    """The requests of each row, none of which comes twice."""
    roll = random.Random(7)

    def asks(make: Callable[[], dict[str, object]]) -> Iterable[Ask]:
        seen: set[str] = set()
        for number in itertools.count():
            query = urlencode({**make(), "max": 90_000 + len(seen)})
            seen.add(query)
            yield Ask(f"/catalog/?{query}", 200, cookies[number % len(cookies)])

    def points() -> dict[str, object]:
        low = roll.randrange(1, 60_000)
        return {"min": low, "sort": roll.choice(["points", "-points", "newest"])}

    return {
        "two words": asks(lambda: {"q": f"{roll.choice(COLOURS)} {roll.choice(WORDS)}"}),
        "one word": asks(lambda: {"q": roll.choice(WORDS)}),
        "category, points, sort": asks(
            lambda: {"category": f"shelf-{roll.randrange(12)}", **points()}
        ),
        "points, sort, page": asks(lambda: {**points(), "page": roll.randrange(1, 20)}),
    }


def suggested(cookies: list[str]) -> Iterable[Ask]:
    """What is asked while people type names, letter by letter."""
    roll = random.Random(11)
    for number in itertools.count():
        name = f"{roll.choice(COLOURS)} {roll.choice(WORDS)}"
        typed = name[: 2 + number % len(name)]
        yield Ask(
            f"/catalog/suggest/words/?{urlencode({'q': typed})}",
            200,
            cookies[number % len(cookies)],
        )


@contextmanager
def followed(env: dict[str, str]) -> Iterator[None]:
    """The index is kept true meanwhile, as in production."""
    command = [sys.executable, "manage.py", "index_catalog", "--follow"]
    follower = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        follower.terminate()
        follower.wait(20)


def private(web: Web) -> list[float]:
    """The private memory of each worker, in MB."""
    workers = psutil.Process(web.process.pid).children()
    return [worker.memory_full_info().uss / 2**20 for worker in workers]


def worked(web: Web) -> float:
    """Processor time that the workers have taken, in ms."""
    times = [each.cpu_times() for each in psutil.Process(web.process.pid).children()]
    return 1000 * float(sum(each.user + each.system for each in times))


def measure(size: int, bare: Web, env: dict[str, str], cookies: list[str]) -> None:
    began = time.monotonic()
    told = python("manage.py", "index_catalog", env=env).splitlines()[-1]
    print(f"\n{size:,} products; {told} ({time.monotonic() - began:.0f} s with its start)")
    with followed(env), closing(Web("loyalty_portal.wsgi", env)) as web:
        web.wait("/healthz")
        product = (
            Ask(f"/catalog/product-{n % 900:04d}/", 200, cookies[0]) for n in itertools.count()
        )
        run(product, port=web.port, at_once=AT_ONCE, seconds=SECONDS)
        before = max(private(web))  # of a worker that has shown pages without the index
        asked: dict[str, tuple[Web, Iterable[Ask]]] = {
            "bare list": (bare, (Ask(f"/?page={n % 40 + 1}", 200) for n in itertools.count())),
            **{name: (web, asks) for name, asks in rows(cookies).items()},
            SUGGESTIONS: (web, suggested(cookies)),
        }
        results: dict[str, list[Result]] = {name: [] for name in asked}
        took: dict[str, list[float]] = {name: [] for name in asked}
        for number in range(ROUNDS + 1):  # the first round only warms up
            for name, (where, asks) in asked.items():
                began_at = worked(where)
                result = run(asks, port=where.port, at_once=AT_ONCE, seconds=SECONDS)
                if number:
                    results[name].append(result)
                    took[name].append((worked(where) - began_at) / len(result.latencies))
        report(results, took, size)
        memory = private(web)
        print(
            f"private memory of the web workers: {', '.join(f'{each:.0f}' for each in memory)} MB,"
            f" at most {max(memory) - before:.0f} MB more than before they searched"
            f" (to keep: {BROUGHT_BY_WORKERS})"
        )


def report(results: dict[str, list[Result]], took: dict[str, list[float]], size: int) -> None:
    """`took`: ms of a worker's processor time for a request, in each round."""
    for name, each in results.items():
        pairs = zip(each, results["bare list"], strict=True)
        ratio = statistics.median(one.rate / other.rate for one, other in pairs)
        rate = statistics.median(one.rate for one in each)
        p95 = statistics.median(one.p95 for one in each)
        told = f"{name:26}{rate:8.0f}/s{p95:9.1f} ms p95{ratio:8.2f} of bare"
        ours = statistics.median(took[name])
        share = statistics.median(
            other / one for one, other in zip(took[name], took["bare list"], strict=True)
        )
        told += f"{ours:8.2f} ms of a worker{share:6.2f} of bare"
        if name in TARGETS:
            told += f" (to reach: {TARGETS[name][size >= 1_000_000]})"
        if name == SUGGESTIONS:
            told += f" (to keep: {SUGGESTED_WITHIN} ms, with {AT_ONCE} who type at once)"
        print(told)


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        address = shared["DATABASE_URL"]
        own = database(address, "bench_portal")
        env = environment(shared, folder) | {
            "DATABASE_URL": own,
            "SEARCH_INDEX_PATH": str(folder / "search"),
        }
        bare_env = shared | {"DATABASE_URL": database(address, "bench_bare"), "METRICS_PORT": "0"}
        python("-m", "benchmarks.bare.prepare", env=bare_env)
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        python("manage.py", "migrate", "-v0", env=env)
        sessions = json.loads(python("-m", "benchmarks.prepare", "setup", str(BUYERS), env=env))
        bare = Web("benchmarks.bare.wsgi", bare_env)
        stack.callback(bare.close)
        bare.wait("/")
        like_the_others(own)
        there = 1_000
        for size in SIZES:
            if size > there:
                grow(own, there, size, triggers=False)
                there = size
            measure(size, bare, env, signed_in(sessions))


if __name__ == "__main__":
    main()
