"""`manage.py demo` before it starts anything."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


FLAGS = {"--port", "--sandbox-port"}


@pytest.mark.parametrize("flag", sorted(FLAGS))
def test_a_taken_port_is_named_with_the_way_out(flag: str) -> None:
    (other,) = FLAGS - {flag}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "manage.py", "demo", flag, str(port), other, "0"],
            cwd=ROOT,
            env={**os.environ, "DEBUG": "true"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stderr
    assert f"manage.py demo {flag}" in done.stderr
