"""The units of deploy/systemd, by systemd's own checker."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.env_files import ROOT, read
from tests.house.image.processes import SERVICES, seconds

UNITS = ROOT / "deploy/systemd"
SERVICE_FILES = sorted(path.name for path in UNITS.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    not ANALYZE, reason="systemd-analyze is missing (Debian: apt install systemd)"
)


def verified(
    folder: Path, *, wrong: tuple[str, str] = ("", "")
) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says of copies whose programs and user this machine has."""
    for path in UNITS.iterdir():
        if path.suffix not in {".service", ".target"}:
            continue
        text = path.read_text()
        for program in re.findall(r"/opt/portal/venv/bin/\w+", text):
            text = text.replace(program, sys.executable)
        text = text.replace("=portal\n", "=daemon\n").replace(*wrong)
        (folder / path.name).write_text(text)
    command = [str(ANALYZE), "verify", "--man=no", *(str(folder / name) for name in SERVICE_FILES)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@needs_systemd
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    done = verified(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(
    "wrong",
    [
        ("Restart=always", "Restart=allways"),
        ("ProtectSystem=strict", "ProtectSystm=strict"),
        ("TimeoutStopSec=30", "TimeoutStopSec=soon"),
    ],
)
def test_systemd_refuses_a_broken_copy(tmp_path: Path, wrong: tuple[str, str]) -> None:
    assert verified(tmp_path, wrong=wrong).stderr != ""


@pytest.mark.parametrize("name", SERVICE_FILES)
def test_a_unit_may_do_little_and_gets_the_time_that_compose_gives(name: str) -> None:
    text = (UNITS / name).read_text()
    for line in (
        "User=portal",
        "NoNewPrivileges=true",
        "CapabilityBoundingSet=",
        "ProtectSystem=strict",
        "SystemCallFilter=@system-service",
        "Restart=always",
    ):
        assert f"\n{line}\n" in text
    # EnvironmentFile= would win over it
    assert "\nEnvironment=" not in text
    kind = name.removeprefix("portal-").removesuffix(".service")
    grace = SERVICES["web" if kind == "api" else kind].get("stop_grace_period", "10s")
    assert float(re.findall(r"TimeoutStopSec=(\d+)", text)[0]) >= seconds(grace)


def test_a_unit_runs_the_command_that_compose_runs() -> None:
    for kind in ("worker", "sweeper", "beat"):
        text = (UNITS / f"portal-{kind}.service").read_text()
        assert SERVICES[kind]["command"].replace("python ", "/python ") in text.replace(
            "/opt/portal/venv/bin", ""
        ).replace("/celery", "celery")
        named = set(re.findall(r"\b([A-Z_]{4,})=", text)) & set(read(".env.example"))
        assert "HEARTBEAT_FILE" in named
