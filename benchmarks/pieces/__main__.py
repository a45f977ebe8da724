"""`make bench-pieces`: what each piece of the fastpath saves of the request that it is for.

Runs benchmarks/pieces/measured.py in a process with a database of its own, and a partner that
answers at once. BENCH_ROUNDS (11) and BENCH_PIECES (parts of the pieces' names, with | between)
may be given.
"""

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.__main__ import ROOT, database, environment, python
from benchmarks.saga.__main__ import spawn
from loyalty_portal.local.embedded import Services


def main() -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        services = stack.enter_context(Services(folder, environment=os.environ, durable=False))
        shared = dict(os.environ) | services.addresses
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        env = environment(shared, folder) | {
            "DATABASE_URL": database(shared["DATABASE_URL"], "bench_pieces"),
            "LOYALTY_API_URL": f"http://127.0.0.1:{port}",
            "FULFILLMENT_API_URL": f"http://127.0.0.1:{port}",
            "EMAIL_URL": "dummymail://",
            "SEARCH_INDEX_PATH": str(folder / "search"),
            "SEARCH_MAX_LAG": "86400",  # nobody follows, and nothing changes
        }
        spawn(stack, "-m", "benchmarks.partner", str(port), "0", env=env)
        python("manage.py", "collectstatic", "--noinput", "-v0", env=env)
        python("manage.py", "migrate", "-v0", env=env)
        python("-m", "benchmarks.prepare", "setup", "40", env=env)
        python("manage.py", "index_catalog", env=env)
        measured = [sys.executable, "-m", "benchmarks.pieces.measured"]
        subprocess.run(measured, cwd=ROOT, env=env, check=True)


if __name__ == "__main__":
    main()
