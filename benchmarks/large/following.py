"""`make bench-index`: how far the search index is behind while the catalogue changes.

The follower runs as in production. Prices of products change 200 times a second, each in a
transaction of its own (BENCH_CHANGES), for BENCH_SECONDS (20); then the same while 200,000 products
(BENCH_IMPORT) are brought, 20,000 in a transaction. A change is measured from its commit until a
reader of the index finds it. BENCH_PRODUCTS (1000) products are there at first.
"""

import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psycopg
import tantivy

from benchmarks.__main__ import database, environment, python
from benchmarks.large.catalogue import followed, grow, like_the_others
from loyalty_portal.local.embedded import Services

PRODUCTS = int(os.environ.get("BENCH_PRODUCTS", "1000"))
CHANGES = int(os.environ.get("BENCH_CHANGES", "200"))  # a second
SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))
IMPORT = int(os.environ.get("BENCH_IMPORT", "200000"))
BEHIND_AT_MOST = 2.0  # seconds


class Reader:
    """Reads the index as a web process does."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, ""
        self.index: tantivy.Index | None = None

    def _searcher(self) -> tantivy.Searcher:
        folder = json.loads(next(self.root.glob("current-*.json")).read_text())["folder"]
        if self.index is None or folder != self.folder:
            self.index, self.folder = tantivy.Index.open(str(self.root / folder)), folder
        self.index.reload()
        return self.index.searcher()

    def products(self) -> int:
        return int(self._searcher().num_docs) - 1  # without the follower's place

    def has_points(self, points: int) -> bool:
        searcher, index = self._searcher(), self.index
        assert index
        wanted = tantivy.Query.range_query(
            index.schema, "points", tantivy.FieldType.Unsigned, points, points
        )
        return bool(searcher.search(wanted, limit=1, count=False).hits)


def change_steadily(address: str, stop: threading.Event, done: list[float]) -> None:
    """Change prices at the rate until `stop`; notes when each was committed."""
    roll = random.Random(3)
    with psycopg.connect(address, autocommit=True) as link:
        others = "SELECT sku FROM product WHERE sku LIKE 'BENCH-%' AND sku <> 'BENCH-0000'"
        skus = [sku for (sku,) in link.execute(others)]  # the first is watched
        began = time.monotonic()
        while not stop.is_set():
            points = roll.randrange(1, 90_000)
            link.execute(
                "UPDATE product SET points_cost = %s WHERE sku = %s", [points, roll.choice(skus)]
            )
            done.append(time.monotonic())
            stop.wait(max(0.0, began + len(done) / CHANGES - time.monotonic()))


def watch(address: str, reader: Reader, until: Callable[[], bool]) -> list[float]:
    """Change one product after the other; returns for each the seconds until a reader has it."""
    behind = []
    points = 1_000_000 + random.randrange(1_000_000)  # no other product has such a price
    with psycopg.connect(address, autocommit=True) as link:
        while not until():
            points += 1
            link.execute("UPDATE product SET points_cost = %s WHERE sku = 'BENCH-0000'", [points])
            began = time.monotonic()
            while not reader.has_points(points):
                time.sleep(0.01)
            behind.append(time.monotonic() - began)
            time.sleep(0.1)
    return behind


def tell(name: str, behind: list[float], rate: float) -> None:
    median, worst = statistics.median(behind), max(behind)
    print(
        f"{name:38} {rate:5.0f} changes a second; behind: median {median:.2f} s, at most"
        f" {worst:.2f} s of {len(behind)} (to keep: {BEHIND_AT_MOST:.0f})",
        flush=True,
    )


def play(address: str, reader: Reader, stack: ExitStack) -> None:
    once = iter([False])
    watch(address, reader, lambda: next(once, True))  # the follower has begun
    done: list[float] = []
    stop = threading.Event()
    changing = threading.Thread(target=change_steadily, args=(address, stop, done))
    changing.start()
    try:
        ends = time.monotonic() + SECONDS
        began = time.monotonic()
        behind = watch(address, reader, lambda: time.monotonic() > ends)
        tell("prices change", behind, len(done) / (time.monotonic() - began))
        there = reader.products()
        before, began = len(done), time.monotonic()
        importing = stack.enter_context(ThreadPoolExecutor(1)).submit(bring, address)

        def is_over() -> bool:
            if importing.done():
                importing.result()  # an error ends the benchmark
            return reader.products() >= there + IMPORT

        behind = watch(address, reader, is_over)
        took = time.monotonic() - began
        tell(f"beside an import of {IMPORT:,}", behind, (len(done) - before) / took)
        print(f"all of the import is found after {took:.0f} s, with its writing")
    finally:
        stop.set()
        changing.join()


def bring(address: str) -> None:
    grow(address, 10_000_000, 10_000_000 + IMPORT, at_once=20_000)


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        own = database(shared["DATABASE_URL"], "bench_index")
        env = environment(shared, folder) | {
            "DATABASE_URL": own,
            "SEARCH_INDEX_PATH": str(folder / "search"),
        }
        python("manage.py", "migrate", "-v0", env=env)
        python("-m", "benchmarks.prepare", "setup", "10", env=env)
        like_the_others(own)
        if PRODUCTS > 1_000:
            grow(own, 1_000, PRODUCTS)
        print(python("manage.py", "index_catalog", env=env).splitlines()[-1])
        stack.enter_context(followed(env))
        play(own, Reader(folder / "search"), stack)


if __name__ == "__main__":
    main()
