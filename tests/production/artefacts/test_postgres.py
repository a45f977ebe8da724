"""The settings of deploy/postgres are read by PostgreSQL itself; those of the standby run in
tests/loyalty_portal/data/test_replica.py, with the roles.
"""

import subprocess
from pathlib import Path

import pytest

from tests.support.daemons import ROOT
from tests.support.stack import PROGRAMS

SHIPPED = ROOT / "deploy/postgres"
FILES = ("primary.conf", "standby.conf")


def read(text: str, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """What PostgreSQL says of one setting when it has read this file."""
    (folder / "postgresql.conf").write_text(text)
    command = [str(PROGRAMS / "postgres"), "-C", name, "-D", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("file", FILES)
def test_postgresql_takes_the_settings_and_refuses_a_broken_copy(file: str, tmp_path: Path) -> None:
    text = (SHIPPED / file).read_text()
    assert read(text, tmp_path, "port").returncode == 0
    for right, wrong in ((" = on", " = onn"), ("max_", "maximal_")):
        assert right in text
        assert read(text.replace(right, wrong, 1), tmp_path, "port").returncode != 0


@pytest.mark.parametrize(
    ("name", "value"), [("fsync", "on"), ("synchronous_commit", "on"), ("wal_level", "replica")]
)
def test_what_the_primary_confirms_is_kept_and_can_be_copied(
    name: str, value: str, tmp_path: Path
) -> None:
    text = (SHIPPED / "primary.conf").read_text()
    assert read(text, tmp_path, name).stdout.strip() == value
    assert f"\n{name} = {value}\n" in text, "not by default alone"
