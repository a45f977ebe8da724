"""Checks with squawk that new migrations hold nobody up: the SQL that each of them sends.

`python .ci/migrations.py` starts a PostgreSQL of its own, since some of the SQL depends on the
server. `python .ci/migrations.py FOLDER` checks the SQL files in a folder instead.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "loyalty_portal.settings"
os.environ["DEBUG"] = "true"

import django  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.migrations.loader import MigrationLoader  # noqa: E402

from loyalty_portal.local.embedded import Services  # noqa: E402

# The number of each app's first migration that is checked. Those before it were made before the
# check, and migrations are not edited (docs/decisions/0034-migrations-only-grow.md).
CHECKED_FROM = {
    "accounts": 20,
    "audit": 10,
    "catalog": 9,
    "feed": 2,
    "fulfillment": 13,
    "inventory": 9,
    "jobs": 2,
    "redemption": 25,
}
SQUAWK = [
    *(str(Path(sys.executable).parent / "squawk"), "--config", str(ROOT / ".ci/squawk.toml")),
]
ALONE = "alone"  # SQL that runs outside a transaction is in a folder of this name


def write_sql(folder: Path) -> int:
    """Write the SQL of each new migration to a file. Returns their number."""
    loader = MigrationLoader(connection, replace_migrations=False)
    new = [
        key
        for key in sorted(loader.disk_migrations)
        if key[0] in CHECKED_FROM and int(key[1][:4]) >= CHECKED_FROM[key[0]]
    ]
    for app, name in new:
        migration = loader.disk_migrations[app, name]
        state = loader.project_state((app, name), at_end=False)
        with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
            migration.apply(state, editor, collect_sql=True)
        place = folder if migration.atomic else folder / ALONE
        place.mkdir(exist_ok=True)
        (place / f"{app}.{name}.sql").write_text("\n".join(editor.collected_sql) + "\n")
    return len(new)


def check(folder: Path) -> int:
    """Squawk's exit code for the files of a folder: 0 when nothing is wrong."""
    code = 0
    for place, how in ((folder, ["--assume-in-transaction"]), (folder / ALONE, [])):
        if files := sorted(map(str, place.glob("*.sql"))):
            code |= subprocess.run([*SQUAWK, *how, *files], check=False).returncode
    return code


def main() -> int:
    if len(sys.argv) > 1:
        return check(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as temporary:
        given = {"REDIS_URL": "redis://127.0.0.1:1/0"}  # not needed
        place = Path(temporary)
        with Services(ROOT / ".local" / "lint", environment=given, durable=False) as services:
            os.environ["DATABASE_URL"] = services.addresses["DATABASE_URL"]
            django.setup()
            number = write_sql(place)
            connection.close()
        sys.stdout.write(f"squawk: {number} new migrations\n")
        return check(place)


if __name__ == "__main__":
    sys.exit(main())
