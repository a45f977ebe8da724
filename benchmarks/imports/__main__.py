"""`make bench-import`: imports files of two sizes as the back office does, beside a bare COPY.

The rate and the memory of an import must not change with the size of its file. COPY writes the same
columns into a table without indexes, triggers and history, so it is only the floor.
BENCH_ROWS=50000,200000 sets the sizes.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks.__main__ import database, environment, python
from loyalty_portal.local.embedded import Services

SIZES = [int(size) for size in os.environ.get("BENCH_ROWS", "50000,200000").split(",")]
COLUMNS = (
    "sku",
    "name",
    "product_type",
    "points_cost",
    "category",
    "brand",
    "description",
    "stock",
)


def write_file(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for n in range(rows):
            text = f"Product number {n} is worth its points, and has a few words about itself."
            shelf, brand = f"Shelf {n % 20}", f"Brand {n % 50}"
            writer.writerow(
                [f"B-{n:07}", f"Product {n:07}", "PHYSICAL", 100 + n % 900, shelf, brand, text, 10]
            )


def copied(address: str, path: Path) -> float:
    """The seconds of a bare COPY of the file."""
    columns = ", ".join(f"{name} text" for name in COLUMNS)
    with psycopg.connect(address, autocommit=True) as link, path.open("rb") as file:
        link.execute("DROP TABLE IF EXISTS bare")
        link.execute(f"CREATE TABLE bare ({columns})")
        began = time.perf_counter()
        with link.cursor().copy("COPY bare FROM STDIN (FORMAT csv, HEADER)") as copy:
            while piece := file.read(1 << 16):
                copy.write(piece)
        return time.perf_counter() - began


def imported(path: Path, env: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.imports.measured", str(path)]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    print(f"{'rows':>9} {'read/s':>8} {'write/s':>8} {'COPY/s':>9} {'peak MB':>8} {'before':>8}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        server = shared["DATABASE_URL"]
        for size in SIZES:
            path = folder / f"{size}.csv"
            write_file(path, size)
            address = database(server, f"bench_{size}")
            env = environment(shared | {"DATABASE_URL": address}, folder)
            python("manage.py", "migrate", "--verbosity", "0", env=env)
            bare, told = copied(address, path), imported(path, env)
            rates = (size / told["reading"], size / told["writing"], size / bare)
            shown = " ".join(
                f"{rate:>{width},.0f}" for rate, width in zip(rates, (8, 8, 9), strict=True)
            )
            print(f"{size:>9,} {shown} {told['peak']:>8,.0f} {told['first']:>8,.0f}", flush=True)


if __name__ == "__main__":
    main()
