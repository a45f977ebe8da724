"""`make bench-admin`: each page of the back office at a million orders beside the same at 10,000.

Pages are the home page, each list by itself, with each filter, sort and search, each detail and
history page, the desk, and each report. Makes both databases first, if they are not there
(`make seed-scale`; minutes). The pages are asked alternately of both in one run; medians are
printed. Fails where a page takes more than twice as long, asks more than 12 questions, or reads a
large table or index from end to end. A list with fewer than half as many rows in the small one is
another page there, which takes less to render: of it the time of the database is compared.
SCALE_ORDERS, SCALE_PRODUCTS and BENCH_ROUNDS may be given.
"""

import json
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from typing import Any

from benchmarks.__main__ import ROOT, python
from benchmarks.scale import FOLDER, ORDERS, PRODUCTS, of_size, server

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SMALL = {"products": 2_000, "orders": 10_000}
MOST_TIMES, MOST_QUERIES = 2.0, 12
IN_THE_NOISE = 10.0  # ms; a page that differs by less is as fast


class Side:
    """One database, with a process that measures pages in it, and its part of Redis: what one has
    kept there would spare the other a question. `number` is that of the part.
    """

    def __init__(self, env: dict[str, str], number: int, stack: ExitStack) -> None:
        index = FOLDER / f"search-index-{number}"
        env = env | {"SEARCH_INDEX_PATH": str(index)}
        if not index.exists():
            python("manage.py", "index_catalog", env=env)
        redis = env["REDIS_URL"].rpartition("/")[0] + f"/{number}"
        self.log = FOLDER / f"measured-{number}.log"
        self.process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.admin.measured"],
                cwd=ROOT,
                # The log is apart from the answers: a console gets it on standard error.
                env=env | {"REDIS_URL": redis, "LOG_FORMAT": "console"},
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stack.enter_context(self.log.open("w")),
            )
        )
        stack.callback(self.process.terminate)
        self.pages: list[str] = self._read()

    def _read(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"The process that measures has ended. {self.log} says why.")
        return json.loads(line)

    def ask(self, page: str, *, look: bool) -> dict[str, Any]:
        """`look`: also how PostgreSQL answers the queries of the page."""
        assert self.process.stdin
        self.process.stdin.write(f"{json.dumps([page, look])}\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = self._read()
        return answer


def compared(page: str, small: Side, large: Side) -> list[str]:
    """Print one page's figures. Returns what is wrong with it."""
    told = [
        (small.ask(page, look=False), large.ask(page, look=number == ROUNDS))
        for number in range(ROUNDS + 1)
    ][1:]
    there, last = told[-1]
    figure = "asking" if 2 * there["rows"] < last["rows"] else "ms"
    few, many = (statistics.median(each[side][figure] for each in told) for side in (0, 1))
    note = "" if figure == "ms" else f" database alone, {there['rows']} rows beside {last['rows']}"
    ratio = f"{many / few:7.2f}"
    print(f"{page:52}{last['queries']:4}{few:9.1f} ms{many:9.1f} ms{ratio}{note}", flush=True)
    wrong = []
    if many > MOST_TIMES * few and many - few > IN_THE_NOISE:
        wrong.append(f"{page}: {many / few:.1f} times")
    if last["queries"] > MOST_QUERIES:
        wrong.append(f"{page}: {last['queries']} queries")
    if last["status"] >= 400:
        wrong.append(f"{page}: answers {last['status']}")
    return [*wrong, *(f"{page}: reads all of {scan}" for scan in last["scans"])]


def main() -> int:
    with ExitStack() as stack:
        shared = stack.enter_context(server())
        python("manage.py", "collectstatic", "--noinput", "-v0", env=shared)
        small = Side(of_size(shared, **SMALL), 1, stack)
        large = Side(of_size(shared, products=PRODUCTS, orders=ORDERS), 2, stack)
        print(f"{'':52}asks{SMALL['orders']:>9,}   {ORDERS:>9,}   ratio")
        both = [page for page in large.pages if page in small.pages]
        wrong = [each for page in both for each in compared(page, small, large)]
        for page in sorted({*small.pages, *large.pages} - set(both)):
            print(f"{page}: only one of the databases has it")
    print(f"{len(both)} pages")
    for each in wrong:
        print(each)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
