"""`make bench-webhooks-out`: events to companies' own systems while some hang and sweepers are killed.

BENCH_RATE (20) events a second for BENCH_SECONDS (600) over four companies, each with five
endpoints. Of the twenty, one hangs, one fails, one resets the connection, one redirects to an inner
address and one is gone. Every BENCH_KILL (20) seconds one of two sweepers is killed and started
again. The others must get every event, under one id each, with 95 % of them within 5 seconds.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.__main__ import ROOT, database, environment, python
from loyalty_portal.local.embedded import Services


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=True))
        shared = dict(os.environ) | services.addresses
        env = environment(shared, folder) | {
            "DATABASE_URL": database(shared["DATABASE_URL"], "bench_webhooks_out"),
            "DEBUG": "true",  # production calls no address of this machine
            "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
            "EMAIL_URL": "dummymail://",
        }
        python("manage.py", "migrate", "-v0", env=env)
        measured = [sys.executable, "-m", "benchmarks.webhooks_out.measured"]
        return subprocess.run(measured, cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
