"""One list of variables: what is read, what is documented and what the example holds."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Read by Django and by gunicorn themselves.
READ_BY_OTHERS = {"DJANGO_SETTINGS_MODULE", "PORT", "WEB_CONCURRENCY"}


def read_by_settings() -> set[str]:
    reads = re.findall(
        r'\benv\.(?!wrong)\w+\(\s*"([A-Z_]+)"', (ROOT / "loyalty_portal/settings.py").read_text()
    )
    return set(reads) | READ_BY_OTHERS


def example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value.strip('"') for name, _, value in pairs}


def documented() -> set[str]:
    text = (ROOT / "docs/operations.md").read_text()
    table = text.split("## Environment", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return set(re.findall(r"`([A-Z_]+)`", " ".join(rows)))


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """The settings in a process of their own, with nothing but `environment`."""
    return subprocess.run(
        [sys.executable, "-c", "import loyalty_portal.settings"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_variable_that_is_read_is_in_the_example() -> None:
    assert set(example()) == read_by_settings()


def test_every_variable_that_is_read_is_documented() -> None:
    assert documented() == read_by_settings()


def test_settings_are_the_only_reader() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for room in ("accounts", "catalog", "inventory", "fulfillment", "redemption")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"os\.environ|getenv", path.read_text())
    ]
    assert readers == []


def test_the_example_starts() -> None:
    done = start(**example())
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "ALLOWED_HOSTS", "PORTAL_URL", "DATABASE_URL", "FIELD_ENCRYPTION_KEYS"]
)
def test_production_names_what_is_missing(name: str) -> None:
    done = start(**{**example(), "DEBUG": "false", name: ""})
    assert done.returncode != 0
    assert f"{name}: " in done.stderr


def test_all_that_is_wrong_is_said_at_once() -> None:
    done = start(DEBUG="perhaps", PARTNER_TIMEOUT="soon", REDIS_URL="http://cache")
    for name in ("DEBUG", "PARTNER_TIMEOUT", "REDIS_URL", "SECRET_KEY", "DATABASE_URL"):
        assert f"{name}: " in done.stderr


def test_production_mode_has_no_warning() -> None:
    check = [sys.executable, ".ci/production.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
