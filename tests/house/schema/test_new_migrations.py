"""`make lint` refuses SQL of new migrations that would hold others up (.ci/migrations.py)."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / ".ci/migrations.py"
WRONG = {
    "constraint-missing-not-valid": "ALTER TABLE redemption_order ADD CONSTRAINT c CHECK (total > 0);",
    "adding-foreign-key-constraint": "ALTER TABLE redemption_order ADD CONSTRAINT f FOREIGN KEY (seat_id) REFERENCES account_manager (id);",
    "require-concurrent-index-creation": "CREATE INDEX i ON redemption_order (status);",
    "adding-required-field": "ALTER TABLE redemption_order ADD COLUMN n integer NOT NULL;",
    "ban-drop-column": "ALTER TABLE redemption_order DROP COLUMN status;",
    "renaming-column": "ALTER TABLE redemption_order RENAME COLUMN status TO state;",
    "changing-column-type": "ALTER TABLE redemption_order ALTER COLUMN status TYPE text;",
    "adding-not-nullable-field": "ALTER TABLE redemption_order ALTER COLUMN status SET NOT NULL;",
    "disallowed-unique-constraint": "ALTER TABLE redemption_order ADD CONSTRAINT u UNIQUE (status);",
}
RIGHT = {
    "column.sql": "ALTER TABLE redemption_order ADD COLUMN n integer NULL;",
    "default.sql": "ALTER TABLE redemption_order ADD COLUMN m integer DEFAULT 0 NOT NULL;",
    "not_valid.sql": "ALTER TABLE redemption_order ADD CONSTRAINT c CHECK (total > 0) NOT VALID;",
    "validated.sql": "ALTER TABLE redemption_order VALIDATE CONSTRAINT c;",
    "table.sql": "CREATE TABLE t (id bigint NOT NULL PRIMARY KEY); CREATE INDEX i ON t (id);",
    "alone/index.sql": "CREATE INDEX CONCURRENTLY i ON redemption_order (status);",
}


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("rule", WRONG)
def test_a_migration_that_would_hold_others_up_is_refused(tmp_path: Path, rule: str) -> None:
    (tmp_path / "redemption.0099_wrong.sql").write_text(WRONG[rule])
    done = checked(tmp_path)
    assert done.returncode != 0
    assert rule in done.stdout


def test_the_right_ways_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    for name, sql in RIGHT.items():
        (tmp_path / name).write_text(sql)
    done = checked(tmp_path)
    assert done.returncode == 0, done.stdout


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("new_migrations", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.django_db(transaction=True)
def test_the_sql_of_a_migration_is_what_squawk_sees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one from before the check, which adds a UNIQUE constraint."""
    tool = script()
    # replaced: from which migration on, so that there is one
    monkeypatch.setattr(tool, "CHECKED_FROM", {"redemption": 24})
    assert tool.write_sql(tmp_path) >= 1
    text = (tmp_path / "redemption.0024_secrets_made_by_calls.sql").read_text()
    assert "UNIQUE" in text
    done = checked(tmp_path)
    assert "redemption.0024_secrets_made_by_calls.sql" in done.stdout
    assert "disallowed-unique-constraint" in done.stdout


def test_every_app_with_migrations_of_ours_is_checked() -> None:
    ours = {path.parent.name for path in ROOT.glob("*/migrations") if ".venv" not in path.parts}
    ours |= {path.parent.name for path in ROOT.glob("loyalty_portal/*/migrations")}
    assert set(script().CHECKED_FROM) == ours
