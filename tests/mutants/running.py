"""Tries mutants: each in a copy of the tree, with the tests that run its lines.

What was learned and each verdict is kept in the folder, so that an interrupted run goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

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
GRACE = 60.0  # seconds beyond three times that, until a run counts as one that never ends
LOADING = 180.0  # further seconds for a process of its own
LEARNING, STAYS, ALONE = "_learning", "_stays", "_alone"  # a database for each


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
    """Which tests run which lines, and the seconds of each test that passes."""

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
        return sorted(found & self.seconds.keys(), key=lambda test: (self.seconds[test], test))

    def patience(self, tests: Iterable[str]) -> float:
        """Seconds until a run of these tests counts as one that never ends."""
        return 3 * sum(self.seconds[test] for test in tests) + GRACE


class Verdicts:
    """The verdicts so far, a line of JSON each.

    A killed mutant counts while its file is the same, a survivor only while the whole tree is.
    """

    def __init__(self, path: Path, tree: str) -> None:
        self._path = path
        self._tree = tree
        lines = path.read_text().splitlines() if path.exists() else []
        self._known = {each["mutant"]: each for each in map(json.loads, lines)}

    def of(self, mutant: Mutant) -> Verdict | None:
        found = self._known.get(_fingerprint(mutant))
        if found is None or not (found["killed_by"] or found["tree"] == self._tree):
            return None
        return Verdict(mutant, found["killed_by"], found["tried"], found["left_out"])

    def keep(self, verdict: Verdict) -> None:
        told = asdict(verdict) | {"mutant": _fingerprint(verdict.mutant), "tree": self._tree}
        with self._path.open("a") as file:
            file.write(json.dumps(told | {"name": verdict.mutant.name}) + "\n")


def _fingerprint(mutant: Mutant) -> str:
    return _digest([mutant.applied((ROOT / mutant.path).read_text())])


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


class Session:
    """A pytest session that has loaded these test files (tests/mutants/serving.py)."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        files: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
    ) -> None:
        (theirs, asked), (answers, theirs_too) = os.pipe(), os.pipe()
        self._asked, self._answers = os.fdopen(asked, "w"), os.fdopen(answers)
        self._run = subprocess.Popen(
            [*command, f"--serve={theirs},{theirs_too}", "tests/mutants/shared.py", *files],
            cwd=folder,
            env=environment,
            stdout=(folder / "session.log").open("w"),
            stderr=subprocess.STDOUT,
            pass_fds=(theirs, theirs_too),
        )
        os.close(theirs)
        os.close(theirs_too)

    def ask(
        self, texts: Mapping[str, str], tests: Sequence[str], patience: float
    ) -> dict[str, str]:
        """What these tests say about a change, given up after `patience` seconds."""
        self._asked.write(json.dumps({**texts, "tests": tests, "seconds": patience}) + "\n")
        self._asked.flush()
        told = self._answers.readline()
        if not told:
            sys.exit("The session has ended: see session.log in the copy.")
        answer: dict[str, str] = json.loads(told)
        return answer

    def failing(self, texts: Mapping[str, str], tests: Sequence[str], patience: float) -> str:
        """The first of these tests that fails or hangs with a change; "" when all pass."""
        return self.ask(texts, tests, patience)["failed"]

    def close(self) -> None:
        self._asked.close()
        self._run.wait()


class Copy:
    """A copy of the working tree with a PostgreSQL and a Redis of its own."""

    def __init__(self, folder: Path, addresses: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = {**os.environ, **addresses}
        self._changes = 0
        self._made: set[str] = set()  # a database of an earlier run may have other tables
        self._session: Session | None = None

    def learn(self, files: Sequence[str], coverage: Path) -> dict[str, float]:
        """Run these test files, add the lines of each to `coverage`, and return their seconds.

        A test that fails is named, and has no seconds.
        """
        measured = [f"--cov={name}" for name in (*ROOMS, "loyalty_portal")]
        measured += ["--measure-all", "--cov-append", "--cov-context=test", "--cov-report="]
        seconds = coverage.with_name("seconds-of-these.json")
        more = {"COVERAGE_FILE": str(coverage), "MUTANTS_SECONDS": str(seconds)}
        done = subprocess.run(
            [*PYTEST, self._database(LEARNING), "-rfE", "--tb=no", *files, *measured],
            cwd=self.folder,
            env={**self._environment_with(LEARNING), **more},
            check=False,
        )
        if done.returncode not in {0, 1}:
            sys.exit("The tests cannot be run before anything was changed.")
        found: dict[str, float] = json.loads(seconds.read_text())
        return found

    def try_out(self, mutant: Mutant, known: Known) -> Verdict:
        tests = known.tests_of(mutant)
        chosen: list[str] = []
        spent = 0.0
        for test in tests:
            spent += known.seconds[test]
            if chosen and spent > BUDGET:
                break
            chosen.append(test)
        return Verdict(
            mutant, self._killer(known, mutant, chosen), len(chosen), len(tests) - len(chosen)
        )

    def _killer(self, known: Known, mutant: Mutant, tests: Sequence[str]) -> str:
        """The first of these tests that fails with the mutant; "" when none does.

        It counts if it fails once more, and passes on the unchanged file: on a busy machine a test
        may fail for another reason.
        """
        before = (self.folder / mutant.path).read_text()
        changed = {"path": mutant.path, "before": before, "after": mutant.applied(before)}
        unchanged = {**changed, "after": before}
        session = self._loaded(known)
        run = (
            self._failing_alone if "cannot" in session.ask(changed, [], GRACE) else session.failing
        )
        left = list(tests)
        while left and (killer := run(changed, left, known.patience(left))):
            if killer not in left:
                return killer
            patience = known.patience([killer])
            if run(changed, [killer], patience) and not run(unchanged, [killer], patience):
                return killer
            left = left[left.index(killer) + 1 :]
        return ""

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def _loaded(self, known: Known) -> Session:
        """The session that stays loaded, in which most mutants are tried."""
        if self._session is None:
            self._session = Session(
                [*PYTEST, self._database(STAYS), "-s", "-p", "tests.mutants.serving"],
                files=sorted({test.partition("::")[0] for test in known.seconds}),
                folder=self.folder,
                environment=self._environment_with(STAYS),
            )
        return self._session

    def _failing_alone(
        self, texts: Mapping[str, str], tests: Sequence[str], patience: float
    ) -> str:
        """The first of these tests that fails in a process of its own; "" when all pass."""
        file = self.folder / texts["path"]
        self._write(file, texts["after"])
        try:
            return self._first_failure(tests, patience + LOADING)
        finally:
            self._write(file, texts["before"])

    def _first_failure(self, tests: Sequence[str], patience: float) -> str:
        run = subprocess.Popen(
            [*PYTEST, self._database(ALONE), "-x", "-rfE", "--tb=no", *tests],
            cwd=self.folder,
            env=self._environment_with(ALONE),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = run.communicate(timeout=patience)
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

    def _database(self, use: str) -> str:
        """The option for pytest that makes the database, or takes the one made before."""
        option = "--reuse-db" if use in self._made else "--create-db"
        self._made.add(use)
        return option

    def _environment_with(self, use: str) -> dict[str, str]:
        """The environment, with a database for this use."""
        return self._environment | {"DATABASE_URL": self._environment["DATABASE_URL"] + use}

    def _write(self, file: Path, text: str) -> None:
        """Write a file with a new modification time, so that Python does not use old bytecode."""
        self._changes += 1
        file.write_text(text)
        moment = time.time() + 10 * self._changes
        os.utime(file, (moment, moment))


@contextmanager
def copies(folder: Path, count: int) -> Iterator[list[Copy]]:
    """Make so many copies of the working tree, and remove earlier ones."""
    made: list[Copy] = []
    with ExitStack() as stack:
        for number in range(count):
            target = folder / f"copy-{number}"
            shutil.rmtree(target, ignore_errors=True)
            for name in _tracked():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, target / name)
            services = Services(folder / f"services-{number}", environment={}, durable=False)
            stack.enter_context(services)
            made.append(Copy(target, services.addresses))
            stack.callback(made[-1].close)
        yield made


def learned(folder: Path, copy: Copy, *, tree: str, changed: bool) -> Known:
    """The lines and seconds of all tests. What an earlier run in `folder` learned is not repeated.

    If the tree is not the same since, everything is learned anew; with `changed` only the test
    files that are not the same.
    """
    coverage, kept, of = folder / "coverage", folder / "seconds.json", folder / "tree"
    if not changed and (not of.exists() or of.read_text() != tree):
        coverage.unlink(missing_ok=True)
        kept.unlink(missing_ok=True)
    of.write_text(tree)
    known: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    seen: list[str] = []
    for tests in _test_files():
        new = [path for path in tests if known.get(path, {}).get("digest") != _digest_of(path)]
        seconds = copy.learn(new, coverage) if new else {}
        for path in new:
            found = {test: spent for test, spent in seconds.items() if test.startswith(path)}
            known[path] = {"digest": _digest_of(path), "seconds": found}
        seen += tests
        kept.write_text(json.dumps(known))
    every: dict[str, float] = {}
    for path in seen:
        every |= known[path]["seconds"]
    return Known(coverage, every)


def _test_files() -> Iterator[list[str]]:
    """The test files, folder by folder."""
    files = [
        name for name in _tracked() if Path(name).match("test_*.py") and name.startswith(TESTS)
    ]
    for _folder, found in groupby(files, lambda name: str(Path(name).parent)):
        yield list(found)


def _digest_of(path: str) -> str:
    return _digest([(ROOT / path).read_text()])


def tree_digest() -> str:
    """A digest of the working tree."""
    return _digest(f"{name} {(ROOT / name).read_bytes().hex()}" for name in _tracked())


def _tracked() -> list[str]:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in names.split("\0") if name and (ROOT / name).is_file())
