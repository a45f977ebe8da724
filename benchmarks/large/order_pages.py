"""The second part of `make bench`: the page of an order of 500 lines beside that of an order of one.

Runs benchmarks/large/order_pages_measured.py in a process with a database of its own, and partners that
answer at once. BENCH_ROUNDS (11) and BENCH_IN_EACH (500) may be given.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.__main__ import ROOT, database, environment, python
from benchmarks.saga.__main__ import start_partners
from loyalty_portal.local.embedded import Services


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=False))
        shared = dict(os.environ) | services.addresses
        partner = start_partners(stack, seconds=0)
        env = environment(shared, folder) | {
            "DATABASE_URL": database(shared["DATABASE_URL"], "bench_pages"),
            "LOYALTY_API_URL": partner,
            "FULFILLMENT_API_URL": partner,
            "EMAIL_URL": "dummymail://",
        }
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        python("manage.py", "migrate", "-v0", env=env)
        measured = [sys.executable, "-m", "benchmarks.large.order_pages_measured"]
        subprocess.run(measured, cwd=ROOT, env=env, check=True)


if __name__ == "__main__":
    main()
