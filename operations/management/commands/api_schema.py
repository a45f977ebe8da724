"""`manage.py api_schema`: writes the OpenAPI document of the API to docs/api/openapi-v1.json, and
who may call what to docs/api/access.md.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import AccountManager, Role, User
from accounts.permissions import approves
from loyalty_portal.api.calls import AccessRule
from loyalty_portal.api.document import views_of
from loyalty_portal.api.growth import taken_away
from loyalty_portal.api.v1 import api
from loyalty_portal.data.actor import Actor
from redemption.permissions import could_decide

PLACE, ACCESS = "docs/api/openapi-v1.json", "docs/api/access.md"
SERVER = "https://portal.example"  # in the file, wherever it is written
_ABOUT_ACCESS = """# Who may call what

A call needs the scope *and* the role. A key has the scopes that were chosen for it, a person all of
them. “all” means people and keys in that role, “people” only people, “stand-ins” only people who
stand in for an approver on that day. Further rules belong to single orders: nobody decides on their
own order, nor on one by a key that they made or rotated.

`manage.py api_schema` makes this table from the code, and
`tests/journeys/test_api_of_two_companies.py` tries each row over HTTP.

"""


class Command(BaseCommand):
    """Writes both. Refuses when the document takes something away from the one that is there."""

    help = "Write the OpenAPI document of the API to docs/api/, and who may call what."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Write nothing; fail when the file is another."
        )

    def handle(self, *_args: object, **options: Any) -> None:
        files = {PLACE: document(), ACCESS: access_table()}
        before = _there(PLACE)
        if before and (gone := taken_away(json.loads(before), json.loads(files[PLACE]))):
            raise CommandError("Version 1 only grows. " + " ".join(gone))
        for name, now in files.items():
            if not options["check"]:
                (settings.BASE_DIR / name).write_text(now)
                self.stdout.write(f"Wrote {name}.")
            elif _there(name) != now:
                raise CommandError(f"{name} is another: run manage.py api_schema and commit it.")


def _there(name: str) -> str:
    place: Path = settings.BASE_DIR / name
    return place.read_text() if place.exists() else ""


def document() -> str:
    """The document as the file has it."""
    made = {**api.document, "servers": [{"url": SERVER}]}
    text = json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False, default=str)
    return text.replace(settings.PORTAL_URL, SERVER) + "\n"


def access_table() -> str:
    """Who may call each operation, by the function that it asks: people and keys in each role."""
    head = ["operation", "call", "scope", *Role.values]
    rows = [head, ["---"] * len(head), *_access_rows()]
    return _ABOUT_ACCESS + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _access_rows() -> Iterator[list[str]]:
    views = views_of(api)
    for path, methods in api.document["paths"].items():
        for method, operation in methods.items():
            rule: AccessRule = views[operation["operationId"]].access_rule  # type: ignore[attr-defined]
            scope = f"`{rule.scope}`" if rule.scope else "none"
            callers = [_callers(rule, role) for role in Role.values]
            call = f"{method.upper()} {path.removeprefix('/api/v1')}"
            yield [operation["operationId"], f"`{call}`", scope, *callers]


def _callers(rule: AccessRule, role: str) -> str:
    """Who may call it in this role: "all", "people", "stand-ins" (people, while they stand in for
    an approver) or "" (nobody).
    """
    may = [
        rule.may is None or rule.may(Actor.in_seat(AccountManager(role=role, user=caller)))
        for caller in (User(), User(is_machine=True))
    ]
    if rule.may is could_decide and not approves(AccountManager(role=role, user=User())):
        return "stand-ins"
    return {(True, True): "all", (True, False): "people"}.get((may[0], may[1]), "")
