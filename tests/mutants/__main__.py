"""`make mutants SEED=1`: draws small mistakes in the code, and lists those that no test notices."""

from __future__ import annotations

import argparse
import difflib
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.drawing import Mutant, draw, files
from tests.mutants.running import ROOT, Copy, Verdict, Verdicts, copies, learned, tree_digest

FOLDER = ROOT / ".local/mutants"
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
# What a mistake costs points or shows to the wrong person in.
WHERE = (
    "redemption/saga/**/*.py",
    "redemption/checkout/**/*.py",
    *(
        f"{room}/{name}.py"
        for room in ("accounts", "catalog", "fulfillment", "redemption")
        for name in ("permissions", "views")
    ),
    "accounts/**/views.py",
    "redemption/**/views.py",
    "redemption/*/permissions.py",
    "fulfillment/desk/views.py",
    "fulfillment/virtual/saga.py",
    "loyalty_portal/jobs/permissions.py",
)
WANTED = 0.95


def equivalent() -> dict[str, str]:
    """The names of mutants that change no behaviour, each with the reason."""
    told = {}
    for line in EQUIVALENT.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, reason = line.partition(" ## ")
            told[name.strip()] = reason.strip()
    return told


def tried(mutants: list[Mutant], folder: Path, jobs: int, *, known: bool) -> Iterator[Verdict]:
    """Try the mutants, and yield each verdict as soon as it is known."""
    tree = tree_digest()
    verdicts = Verdicts(folder / "verdicts.jsonl", tree)
    with copies(folder, jobs) as made, ThreadPoolExecutor(jobs) as pool:
        tests = learned(folder, made[0], tree=tree, changed=known)
        free: SimpleQueue[Copy] = SimpleQueue()
        for copy in made:
            free.put(copy)

        def one(mutant: Mutant) -> Verdict:
            copy = free.get()
            try:
                verdict = copy.try_out(mutant, tests)
            finally:
                free.put(copy)
            verdicts.keep(verdict)
            return verdict

        yield from pool.map(lambda mutant: verdicts.of(mutant) or one(mutant), mutants)


def told(verdict: Verdict) -> Iterator[str]:
    mutant = verdict.mutant
    place = f"{mutant.path}:{mutant.line} {mutant.kind}"
    if verdict.killed_by:
        yield f"killed    {place}  by {verdict.killed_by}"
        return
    short = f", {verdict.left_out} more left out" if verdict.left_out else ""
    yield f"SURVIVED  {place}  {verdict.tried} tests pass{short}"
    yield f"          {mutant.name}"
    text = (ROOT / mutant.path).read_text()
    lines = text.splitlines(), mutant.applied(text).splitlines()
    yield from list(difflib.unified_diff(*lines, lineterm="", n=1))[2:]


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--count", type=int, default=200)
    options.add_argument("--jobs", type=int, default=2, help="copies of the portal side by side")
    options.add_argument("--only", nargs="*", default=WHERE, help="patterns of files")
    options.add_argument(
        "--folder",
        type=Path,
        default=FOLDER,
        help="of the copies, and of what is known, so that an interrupted run goes on",
    )
    options.add_argument(
        "--known",
        action="store_true",
        help="the tree has changed since an earlier run, but only changed tests are learned anew",
    )
    asked = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit("Ended; run it again to go on."))
    asked.folder.mkdir(parents=True, exist_ok=True)

    same = equivalent()
    drawn = draw(ROOT, list(files(ROOT, tuple(asked.only))), seed=asked.seed, count=asked.count)
    left = [mutant for mutant in drawn if mutant.name not in same]
    print(f"Seed {asked.seed}: {len(drawn)} drawn, {len(drawn) - len(left)} are no mistakes")
    survivors = []
    verdicts = tried(left, asked.folder, asked.jobs, known=asked.known)
    for number, verdict in enumerate(verdicts, 1):
        print(
            f"{number:4}",
            *told(verdict),
            sep="\n     " if not verdict.killed_by else " ",
            flush=True,
        )
        if not verdict.killed_by:
            survivors.append(verdict)
    killed = len(left) - len(survivors)
    share = killed / len(left) if left else 1.0
    print(f"\n{killed} of {len(left)} killed ({share:.1%}); wanted: {WANTED:.0%}")
    for verdict in survivors:
        print(f"  survived: {verdict.mutant.line:4} {verdict.mutant.name}")
    return int(share < WANTED)


if __name__ == "__main__":
    sys.exit(main())
