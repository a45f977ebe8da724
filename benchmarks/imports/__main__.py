"""`make bench-import`: imports files of two sizes as the back office does, beside a bare COPY.

For each size it prints the rows a second of reading with preview, of writing, of both together and
of COPY, and the peak memory of both processes. The rate and the memory of an import must not change
with the size of its file: it fails when the largest file has less than 0.8 of the smallest one's
rate, or more than 1.2 of its memory. COPY writes the same columns into a table without indexes,
triggers and history, so it is only the floor. BENCH_ROWS=50000,200000 sets the sizes.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import psycopg

from benchmarks.__main__ import database, environment, python
from loyalty_portal.local.embedded import Services

SIZES = [int(size) for size in os.environ.get("BENCH_ROWS", "50000,200000").split(",")]
SLOWEST, MOST_MEMORY = 0.8, 1.2  # of the largest file, times those of the smallest
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


def copied(address: str, path: Path, env: dict[str, str]) -> dict[str, float]:
    """What a bare COPY of the file takes."""
    columns = ", ".join(f"{name} text" for name in COLUMNS)
    with psycopg.connect(address, autocommit=True) as link:
        link.execute("DROP TABLE IF EXISTS bare")
        link.execute(f"CREATE TABLE bare ({columns})")
    return told_by("benchmarks.imports.copied", address, str(path), env=env)


def told_by(module: str, *arguments: str, env: dict[str, str]) -> dict[str, float]:
    """What a process tells in its last line."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def judged(rates: list[float], peaks: list[float]) -> list[str]:
    """What changes with the size of the file; empty when nothing does."""
    wrong = []
    if rates[-1] < SLOWEST * rates[0]:
        wrong.append(f"The rate falls with the size: {rates[-1] / rates[0]:.2f} times.")
    if peaks[-1] > MOST_MEMORY * peaks[0]:
        wrong.append(f"The memory grows with the size: {peaks[-1] / peaks[0]:.2f} times.")
    return wrong


def main() -> int:
    heads = ("rows", "read/s", "write/s", "both/s", "COPY/s", "MB", "at start", "COPY MB")
    print(" ".join(f"{head:>9}" for head in heads))
    rates, peaks = [], []
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
            bare = copied(address, path, env)
            told = told_by("benchmarks.imports.measured", str(path), env=env)
            rates.append(size / (told["reading"] + told["writing"]))
            peaks.append(told["peak"])
            row = (
                *(size, size / told["reading"], size / told["writing"], rates[-1]),
                *(size / bare["seconds"], told["peak"], told["first"], bare["peak"]),
            )
            print(" ".join(f"{figure:>9,.0f}" for figure in row), flush=True)
    wrong = judged(rates, peaks)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
