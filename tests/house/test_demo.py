"""`manage.py demo` before it starts anything."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

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


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_there_is_not_is_refused_with_a_sentence(port: int) -> None:
    with pytest.raises(CommandError, match=rf"--port must be between 1 and 65535, not {port}\."):
        call_command("demo", port=port, sandbox_port=0)


def test_the_demo_shows_our_own_pages_about_what_is_not_there() -> None:
    asked = "import django; django.setup(); from django.test import Client;"
    asked += "print(Client(headers={'host': 'localhost'}).get('/nowhere').content.decode())"
    page = subprocess.run(
        [sys.executable, "-c", asked],
        cwd=ROOT,
        env={
            **os.environ,
            "DEBUG": "true",
            "DJANGO_SETTINGS_MODULE": "loyalty_portal.local.demo_settings",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "Not found" in page
    assert "URLconf" not in page
