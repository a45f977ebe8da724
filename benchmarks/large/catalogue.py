"""`make bench-catalog`: pages of the catalogue that were never asked before, beside the bare list.

For each number of products (BENCH_PRODUCTS=1000,100000; 1000000 on demand) the rows are measured
in turns with the bare list of 24, in the same run. Each request has an address of its own.
"""

import itertools
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode

import psutil
import psycopg

from benchmarks.__main__ import AT_ONCE, Web, database, environment, python, signed_in
from benchmarks.load import Ask, Result, run
from loyalty_portal.local.embedded import Services

SIZES = [int(size) for size in os.environ.get("BENCH_PRODUCTS", "1000,100000").split(",")]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
BUYERS = 40
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
# Products of which a fifth are variants of families, by SQL alone: a million takes a minute or two.
_MORE = """
    WITH words AS (SELECT %(words)s::text[] AS w, %(colours)s::text[] AS c),
    numbers AS (SELECT n, uuidv7(interval '1 millisecond' * n) AS id FROM generate_series(%(first)s, %(last)s) n)
    INSERT INTO product (id, sku, name, slug, brand, description, product_type, points_cost, image_url,
        category_id, variant, is_card, minimum_tier, is_active, stock_status, created_at, updated_at)
    SELECT id, 'MORE-' || n,
        initcap(c[1 + n %% 12] || ' ' || w[1 + (n * 7) %% 63] || ' ' || w[1 + (n / 63) %% 63] || ' ' || n), 'more-' || n,
        'Brand ' || (n * 13) %% 300, '<p>' || w[1 + (n * 5) %% 63] || ' for every day, made to last.</p>',
        CASE WHEN n %% 9 = 0 THEN 'VIRTUAL' ELSE 'PHYSICAL' END, 100 + (n * 7919) %% 90000, '',
        (SELECT id FROM catalog_category ORDER BY slug OFFSET n %% 12 LIMIT 1), '', true,
        CASE WHEN n %% 10 = 0 THEN 'GOLD' ELSE 'BRONZE' END, true,
        CASE WHEN n %% 17 = 0 THEN 'OUT' ELSE 'IN_STOCK' END, now() - interval '1 second' * n, now()
    FROM numbers, words
"""


def grow(address: str, first: int, last: int) -> None:
    """Add products to the portal's database."""
    with psycopg.connect(address, autocommit=True) as link:
        for start in range(first, last, 50_000):
            link.execute(
                _MORE,
                {
                    "words": WORDS,
                    "colours": COLOURS,
                    "first": start,
                    "last": min(start + 50_000, last) - 1,
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


def private(web: Web) -> list[float]:
    """The private memory of each worker, in MB."""
    workers = psutil.Process(web.process.pid).children()
    return [worker.memory_full_info().uss / 2**20 for worker in workers]


def measure(size: int, bare: Web, env: dict[str, str], cookies: list[str]) -> None:
    began = time.monotonic()
    told = python("manage.py", "index_catalog", env=env).splitlines()[-1]
    print(f"\n{size:,} products; {told} ({time.monotonic() - began:.0f} s with its start)")
    web = Web("loyalty_portal.wsgi", env)
    try:
        web.wait("/healthz")
        asked = rows(cookies)
        results: dict[str, list[Result]] = {name: [] for name in ["bare list", *asked]}
        bare_list = (Ask(f"/?page={n % 40 + 1}", 200) for n in itertools.count())
        before = [0.0]
        for number in range(ROUNDS + 1):  # the first round only warms up
            for name, asks in {"bare list": bare_list, **asked}.items():
                where = bare if name == "bare list" else web
                result = run(asks, port=where.port, at_once=AT_ONCE, seconds=SECONDS)
                if number:
                    results[name].append(result)
            if not number:
                before = private(web)
        for name, each in results.items():
            pairs = zip(each, results["bare list"], strict=True)
            ratio = statistics.median(one.rate / other.rate for one, other in pairs)
            rate = statistics.median(one.rate for one in each)
            p95 = statistics.median(one.p95 for one in each)
            reach = TARGETS[name][size >= 1_000_000] if name in TARGETS else 1
            print(
                f"{name:26}{rate:8.0f}/s{p95:9.1f} ms p95{ratio:8.2f} of bare (to reach: {reach})"
            )
        memory = ", ".join(f"{each:.0f}" for each in private(web))
        warm = ", ".join(f"{each:.0f}" for each in before)
        print(f"private memory of the web workers: {memory} MB (after the first round: {warm})")
    finally:
        web.close()


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
        there = 1_000
        for size in SIZES:
            if size > there:
                grow(own, there, size)
                there = size
            measure(size, bare, env, signed_in(sessions))


if __name__ == "__main__":
    main()
