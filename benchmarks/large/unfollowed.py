"""What the feed of changes costs a company that nobody follows: orders placed with the trigger that
notes their events beside orders placed without it. Part of `make bench`.

Runs benchmarks/large/unfollowed_measured.py in a process with a database of its own.
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
            "DATABASE_URL": database(shared["DATABASE_URL"], "bench_unfollowed"),
        }
        python("manage.py", "migrate", "-v0", env=env)
        measured = [sys.executable, "-m", "benchmarks.large.unfollowed_measured"]
        done = subprocess.run(measured, cwd=ROOT, env=env, check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
