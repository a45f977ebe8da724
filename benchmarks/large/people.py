"""`make bench-people`: placing an order for forty people beside one for one person, from the form to
the answer; five thousand rows of a spreadsheet in ten orders; and orders from a spreadsheet beside
as many that are placed one by one.

Runs benchmarks/large/people_measured.py in a process with a database of its own. What it is at
stands on the error stream, the figures on the output.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.__main__ import ROOT, database, environment, python
from loyalty_portal.local.embedded import Services


def sizes() -> argparse.ArgumentParser:
    """What may be given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=40, help="recipients of a large order")
    parser.add_argument("--rounds", type=int, default=7, help="in which both sides take turns")
    parser.add_argument("--each", type=int, default=5, help="orders of each side in a round")
    parser.add_argument("--rows", type=int, default=5_000, help="rows of the spreadsheet")
    parser.add_argument("--orders", type=int, default=5_000, help="orders from a spreadsheet")
    return parser


def say(what: str) -> None:
    """Say on the error stream what is going on."""
    print(f"bench-people: {what}", file=sys.stderr, flush=True)


def main() -> None:
    sizes().parse_args()  # what is wrong is said before anything starts
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        say("starting PostgreSQL and Redis")
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        env = environment(shared, folder) | {
            "DATABASE_URL": database(shared["DATABASE_URL"], "bench_people"),
            "EMAIL_URL": "dummymail://",
        }
        say("collecting static files")
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        say("making the tables, which takes a minute or so")
        python("manage.py", "migrate", "-v0", env=env)
        measured = [sys.executable, "-m", "benchmarks.large.people_measured", *sys.argv[1:]]
        done = subprocess.run(measured, cwd=ROOT, env=env, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
