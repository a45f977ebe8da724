"""`manage.py permission_matrix`: writes who may what into docs/permissions.md.

The table of groups is drawn from `accounts/services.py: STAFF_GROUPS`. In the table of addresses
the two columns with what an address needs are written by people; the command adds a row for each
new address, removes rows of addresses that are gone, sorts them, and works out the groups. With
--check it only compares. `tests/operations/test_permission_matrix.py` tries each row over HTTP.
"""

import re
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.management.base import BaseCommand, CommandError
from django.urls import URLResolver
from django.urls.resolvers import RegexPattern

from accounts.services import STAFF_GROUPS
from fulfillment.desk.verbs import VERBS
from loyalty_portal.admin_site.base import ActingAdmin, KeptAdmin, ReadOnlyAdmin

MATRIX = Path("docs") / "permissions.md"
BEGIN, END = "<!-- begin: made from the code -->\n", "<!-- end -->"
_OF_DESK = "fulfillment.fulfillment"  # the model whose rows the desk shows
STAFF, NOBODY, SUPERUSER, UNSAID = "staff", "nobody", "superuser", "?"


@dataclass(frozen=True, slots=True, order=True)
class AdminAddress:
    """An address below /admin/, with its parameters. `label` is the model's, "" without one.

    `name` is the pattern's name; of a verb's address it is the permission of the verb.
    """

    route: str
    label: str = ""
    name: str = ""
    # What the model's pages are: "acting", "read" (neither), "kept" (never deleted), or "".
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """What an address needs: `staff`, `nobody`, `superuser`, or permissions such as
    `catalog.view_product`, of which all (joined by +) or one (joined by or) must be held.
    """

    said: str

    def are_met(self, held: frozenset[str], *, superuser: bool = False) -> bool:
        """Whether staff with the permissions `held` may open it. Raises CommandError when the
        table does not say what is needed.
        """
        if self.said == UNSAID:
            raise CommandError(f"{MATRIX} does not say yet what an address needs; replace each ?.")
        if self.said in {STAFF, NOBODY, SUPERUSER} or superuser:
            return self.said == STAFF or (superuser and self.said != NOBODY)
        if " or " in self.said:
            return any(each in held for each in self.said.split(" or "))
        return all(each in held for each in self.said.split(" + "))


def admin_addresses() -> list[AdminAddress]:
    """Every address of the admin. One with `<slug:verb>` counts once for each verb."""
    patterns, _app, _name = admin.site.urls
    return sorted(set(_walk(patterns, "")))


def _walk(patterns: Iterable[Any], before: str) -> Iterator[AdminAddress]:
    models = {
        f"{model._meta.app_label}/{model._meta.model_name}/": model_admin
        for model, model_admin in admin.site._registry.items()  # noqa: SLF001 - no public name
    }
    for each in patterns:
        route = before + _route(each)
        if isinstance(each, URLResolver):
            yield from _walk(each.url_patterns, route)
            continue
        owner = models.get("/".join(route.split("/")[:2]) + "/")
        label = owner.model._meta.label_lower if owner else ""
        acting = owner if isinstance(owner, ActingAdmin) else None
        if acting and "<slug:verb>" in route:
            for name, verb in acting.verbs.items():
                told = route.replace("<slug:verb>", name)
                yield AdminAddress(told, label, verb.permission or name)
        elif each.name == "fulfillment_desk_do":
            for name, what in VERBS.items():
                told = route.replace("<slug:verb>", name)
                yield AdminAddress(told, _OF_DESK, f"fulfillment.{what.permission}")
        else:
            yield AdminAddress(route, label, each.name or "", _kind(owner))


def _kind(owner: object) -> str:
    kinds = (("acting", ActingAdmin), ("read", ReadOnlyAdmin), ("kept", KeptAdmin))
    return next((name for name, base in kinds if isinstance(owner, base)), "")


def _route(pattern: Any) -> str:
    """A pattern as a route; what a regular expression captures is shown as `<name>`."""
    text = str(pattern.pattern)
    if not isinstance(pattern.pattern, RegexPattern):
        return text
    return re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", text).strip("^$")


def stated(text: str) -> dict[str, tuple[Needs, Needs]]:
    """What the document says that GET and POST of each address need."""
    rows = (line.split(" | ") for line in text.splitlines() if line.startswith("| `/"))
    return {
        row[0].removeprefix("| `/").removesuffix("`"): (Needs(row[1]), Needs(row[2]))
        for row in rows
    }


def written(text: str) -> str:
    """The document with both tables made again."""
    before, _begin, rest = text.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    said = stated(text)
    rows = [
        _row(each.route, *(said.get(each.route) or _customary(each))) for each in admin_addresses()
    ]
    parts = [
        *_group_table(),
        "",
        "## Addresses",
        "",
        "| address below `/admin/` | GET needs | POST needs | who may GET | who may POST |",
        "|---|---|---|---|---|",
        *sorted(rows),
    ]
    return f"{before}{BEGIN}\n" + "\n".join(parts) + f"\n\n{END}{after}"


def _row(route: str, get: Needs, post: Needs) -> str:
    return f"| `/{route}` | {get.said} | {post.said} | {_groups(get)} | {_groups(post)} |"


def _groups(needs: Needs) -> str:
    if needs.said in {STAFF, NOBODY, SUPERUSER, UNSAID}:
        return "all" if needs.said == STAFF else "–"
    return ", ".join(name for name, held in STAFF_GROUPS.items() if needs.are_met(held)) or "–"


def _customary(address: AdminAddress) -> tuple[Needs, Needs]:
    """What Django's own pages of a model and our verbs need; `?` for any other page."""
    unsaid = Needs(UNSAID), Needs(UNSAID)
    if not address.label:
        return unsaid
    room, model = address.label.split(".")
    base = f"{room}_{model}"
    view, add, change, delete = (
        f"{room}.{verb}_{model}" for verb in ("view", "add", "change", "delete")
    )
    if address.kind:
        delete = NOBODY
    if address.kind in {"acting", "read"}:
        add = NOBODY
    either = f"{view} or {change}"
    customary = {
        f"{base}_changelist": (either, either),
        f"{base}_add": (add, add),
        f"{base}_change": (either, {"acting": either, "read": NOBODY}.get(address.kind, change)),
        f"{base}_delete": (delete, delete),
        f"{base}_history": (either, either),
        "": (STAFF, STAFF),  # the old address of a row, which redirects to its page
    }
    if "/do/" in address.route and "." in address.name:
        both = f"{view} + {address.name}"
        return Needs(both), Needs(both)
    get, post = customary.get(address.name, (UNSAID, UNSAID))
    return Needs(get), Needs(post)


def _group_table() -> list[str]:
    groups = list(STAFF_GROUPS)
    names = sorted(frozenset().union(*STAFF_GROUPS.values()))
    lines = [
        "## Groups",
        "",
        f"| permission | {' | '.join(groups)} |",
        f"|---|{'---|' * len(groups)}",
    ]
    for name in names:
        marks = ("✓" if name in STAFF_GROUPS[group] else "" for group in groups)
        lines.append(f"| {name} | {' | '.join(marks)} |")
    return lines


class Command(BaseCommand):
    help = "Write who may open which address of the admin into docs/permissions.md."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="Only say whether it is fresh.")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:  # noqa: ARG002
        target = settings.BASE_DIR / MATRIX
        text = written(target.read_text())
        if not check:
            target.write_text(text)
            self.stdout.write(f"Wrote {MATRIX}.")
        elif target.read_text() != text:
            raise CommandError(f"{MATRIX} is stale; run `manage.py permission_matrix`.")
        else:
            self.stdout.write(f"{MATRIX} is fresh.")
