"""The trail says which command that changes data was run, by its name alone."""

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command, get_commands

from loyalty_portal.audit.models import TrailEntry, TrailKind
from tests.catalog.importing.command import portal_file

pytestmark = pytest.mark.django_db

RECORDED = {
    "staff_groups", "first_administrator", "import_products", "reconcile", "rebuild_figures",
    "replay_webhooks", "revoke_key", "rotate_keys", "seed_demo", "seed_scale",
}  # fmt: skip
# These change no data, except `sweep`, which is the portal itself, `demo`, which runs `seed_demo`,
# and `migrate`, which changes tables; `publish_static` copies files, `index_catalog` makes some.
NOT_RECORDED = {
    "api_schema", "check_partners", "demo", "demo_code", "doctor", "index_catalog", "migrate",
    "permission_matrix", "publish_static", "state_diagram", "sweep", "verify_audit",
}  # fmt: skip


def told() -> list[str]:
    return list(TrailEntry.objects.filter(kind=TrailKind.COMMAND).values_list("what", flat=True))


def test_each_command_of_ours_is_recorded_or_known_to_change_no_data() -> None:
    ours = {
        name
        for name, room in get_commands().items()
        if (settings.BASE_DIR / _folder(room)).is_dir()
    }
    assert ours == RECORDED | NOT_RECORDED


def _folder(room: Any) -> str:
    return str(room).replace(".", "/")


def test_a_command_leaves_its_name_in_the_trail_and_nothing_of_what_was_typed(
    tmp_path: Path, settings: Any
) -> None:
    call_command("staff_groups")
    call_command("rebuild_figures")
    call_command("reconcile")
    call_command("rotate_keys")
    call_command("first_administrator", "ada@meridian.example", "--by-letter")
    path = portal_file(tmp_path, "A1,Mug,PHYSICAL,5,Kitchen")
    call_command("import_products", str(path), "--dry-run")
    call_command("import_products", str(path))
    names = ["staff_groups", "rebuild_figures", "reconcile", "rotate_keys", "first_administrator"]
    assert sorted(told()) == sorted([*names, "import_products"])
    entry = TrailEntry.objects.filter(kind=TrailKind.COMMAND, what="import_products").get()
    assert (entry.place, entry.by, entry.facts) == ("manage.py import_products", None, {})
    assert "ada@" not in str(list(TrailEntry.objects.filter(kind=TrailKind.COMMAND).values()))


def test_a_command_that_is_refused_before_it_begins_is_not_recorded() -> None:
    for name, *arguments in (("rotate_keys", "--batch", "0"), ("seed_demo",), ("import_products",)):
        with pytest.raises(CommandError):
            call_command(name, *arguments)
    assert told() == []
