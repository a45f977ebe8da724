"""Tries mutants: each in a copy of the tree, with the tests that run its lines."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

from loyalty_portal.local.embedded import Services
from tests.mutants.drawing import Mutant

ROOT = Path(__file__).resolve().parents[2]
PYTEST = (
    *(sys.executable, "-m", "pytest", "-p", "tests.mutants.timing"),
    *("-q", "--no-header", "-p", "no:cacheprovider"),
)
ROOMS = ("accounts", "catalog", "fulfillment", "inventory", "redemption", "operations")
# What runs the portal in this process; others' processes tell nobody which lines they run.
TESTS = tuple(f"tests/{name}" for name in (*ROOMS, "loyalty_portal", "house/test_refusals.py"))
BUDGET = 90.0  # seconds of tests for one mutant, the quickest first
GRACE = 120.0  # seconds beyond that until a run counts as one that never ends


@dataclass(frozen=True)
class Verdict:
    """The result of a mutant. `killed_by` is the test that failed, "" when it survived.

    `left_out` is the number of tests of its lines that did not fit into the time budget.
    """

    mutant: Mutant
    killed_by: str
    tried: int
    left_out: int


@dataclass(frozen=True)
class Known:
    """Which tests run which lines, and the seconds of each test."""

    coverage: Path
    seconds: Mapping[str, float]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """The tests of some lines, the quickest first."""
        data = CoverageData(basename=str(self.coverage))
        data.read()
        files = [each for each in data.measured_files() if each.endswith(f"/{mutant.path}")]
        lines = data.contexts_by_lineno(files[0]) if files else {}
        asked: Iterable[int] = mutant.seen_from
        if not asked or any("" in lines.get(line, ()) for line in asked):
            asked = lines  # it runs when the module is imported, so all tests of the module count
        found = {context.partition("|")[0] for line in asked for context in lines.get(line, ())}
        return sorted(found - {""}, key=lambda test: (self.seconds.get(test, 1.0), test))


class Copy:
    """A copy of the working tree with a PostgreSQL and a Redis of its own."""

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = {**os.environ, **addresses}
        self._changes = 0
        self._database = "--create-db"  # one of an earlier run may have other tables

    def learn(self, coverage: Path, seconds: Path) -> None:
        """Run all tests once, and record the lines and seconds of each."""
        measured = [f"--cov={name}" for name in (*ROOMS, "loyalty_portal")]
        more = {"COVERAGE_FILE": str(coverage), "MUTANTS_SECONDS": str(seconds)}
        command = [*PYTEST, "--create-db", *TESTS, *measured, "--cov-context=test", "--cov-report="]
        done = subprocess.run(
            command, cwd=self.folder, env={**self._environment, **more}, check=False
        )
        if done.returncode:
            sys.exit("The tests fail before anything was changed.")

    def try_out(self, mutant: Mutant, known: Known) -> Verdict:
        tests = known.tests_of(mutant)
        chosen: list[str] = []
        spent = 0.0
        for test in tests:
            spent += known.seconds.get(test, 1.0)
            if chosen and spent > BUDGET:
                break
            chosen.append(test)
        with self._changed(mutant):
            killer = self.failing(chosen) if chosen else ""
        return Verdict(mutant, killer, len(chosen), len(tests) - len(chosen))

    def failing(self, tests: Sequence[str]) -> str:
        """The first of these tests that fails; "" when all pass."""
        run = subprocess.Popen(
            [*PYTEST, self._database, "-x", "-rfE", "--tb=no", *tests],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._database = "--reuse-db"
        try:
            output, _ = run.communicate(timeout=BUDGET + GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.communicate()
            return "(never ends)"
        if not run.returncode:
            return ""
        failed = [
            line.split(" ", 1)[1]
            for line in output.splitlines()
            if line.startswith(("FAILED ", "ERROR "))
        ]
        return failed[0].partition(" - ")[0] if failed else "(does not start)"

    @contextmanager
    def _changed(self, mutant: Mutant) -> Iterator[None]:
        file = self.folder / mutant.path
        text = file.read_text()
        self._write(file, mutant.applied(text))
        try:
            yield
        finally:
            self._write(file, text)

    def _write(self, file: Path, text: str) -> None:
        """Write a file with a new modification time, so that Python does not use old bytecode."""
        self._changes += 1
        file.write_text(text)
        moment = time.time() + 10 * self._changes
        os.utime(file, (moment, moment))


@contextmanager
def copies(folder: Path, count: int) -> Iterator[list[Copy]]:
    """Make so many copies of the working tree, and remove earlier ones."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    made: list[Copy] = []
    with ExitStack() as stack:
        for number in range(count):
            target = folder / f"copy-{number}"
            shutil.rmtree(target, ignore_errors=True)
            for name in filter(None, names.split("\0")):
                if (ROOT / name).is_file():
                    (target / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, target / name)
            services = Services(folder / f"services-{number}", environment={}, durable=False)
            stack.enter_context(services)
            made.append(Copy(target, services.addresses))
        yield made


def learned(folder: Path, copy: Copy, *, anew: bool) -> Known:
    """The lines of all tests: from an earlier run in `folder`, or learned now."""
    coverage, seconds = folder / "coverage", folder / "seconds.json"
    if anew or not (coverage.exists() and seconds.exists()):
        coverage.unlink(missing_ok=True)
        copy.learn(coverage, seconds)
    return Known(coverage, json.loads(seconds.read_text()))
