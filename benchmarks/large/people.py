"""`make bench-people`: placing an order for forty people beside one for one person, from the form to
the answer, request by request in turn.

Runs benchmarks/large/people_measured.py in a process with a database of its own. BENCH_ROUNDS (11) and
BENCH_PEOPLE (40) may be given.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.__main__ import ROOT, database, environment, python
from loyalty_portal.local.embedded import Services


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        env = environment(shared, folder) | {
            "DATABASE_URL": database(shared["DATABASE_URL"], "bench_people"),
            "EMAIL_URL": "dummymail://",
        }
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        python("manage.py", "migrate", "-v0", env=env)
        measured = [sys.executable, "-m", "benchmarks.large.people_measured"]
        done = subprocess.run(measured, cwd=ROOT, env=env, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
