"""The page of the parts shows each of them, and is there with DEBUG only."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils.html import escape

from loyalty_portal.data.lifecycle import LifeCycle
from operations.parts.people import BALANCES
from tests.accounts.factories import UserFactory
from tests.house.env_files import production
from tests.support import staff

ROOT = Path(__file__).resolve().parents[3]
# In another state of the page, put there by a script, or of the frame of other pages.
ELSEWHERE = {"gate", "htmx-request"}
# Of lists and forms that the theme makes.
OF_THE_THEME = re.compile(
    r"(field|column)-|(selector|before|members|muted|dark|sortremove|toggle)$|material-"
)


@pytest.fixture
def administrator(db: object) -> Client:
    return staff.browser(UserFactory.create(superuser=True))


def portal(client: Client) -> str:
    """The page for each way in which the header can know the balance."""
    return "".join(client.get(f"/ui/?balance={each}").content.decode() for each in BALANCES)


def worn_on(page: str) -> set[str]:
    return {name for names in re.findall(r'\sclass="([^"]*)"', page) for name in names.split()}


def classes_of(*sheets: str) -> set[str]:
    css = "".join((ROOT / "static/css" / sheet).read_text() for sheet in sheets)
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    return set(re.findall(r"\.([a-z][\w-]*)(?=[^{};]*{)", css))


def life_cycles() -> Iterator[LifeCycle]:
    found = {}
    for path in ROOT.glob("*/**/states.py"):
        if ".venv" in path.parts:
            continue
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for each in vars(importlib.import_module(name)).values():
            if isinstance(each, LifeCycle):
                found[each.name] = each
    assert len(found) >= 8, "every room's life cycles are found"
    yield from found.values()


@pytest.mark.parametrize("path", ["/ui/", "/ui/back-office/"])
def test_in_production_the_page_is_as_unknown_as_any_other(
    administrator: Client, settings: Any, path: str
) -> None:
    assert administrator.get(path).status_code == 200
    settings.SHOW_PARTS = False
    assert administrator.get(path).status_code == 404
    assert administrator.get(path, {"balance": "old"}).status_code == 404


def test_only_debug_switches_the_page_on(settings: Any) -> None:
    assert settings.SHOW_PARTS  # tests load the settings with DEBUG
    told = "from loyalty_portal.settings import SHOW_PARTS; print(SHOW_PARTS)"
    done = subprocess.run(
        [sys.executable, "-c", told],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **production()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


def test_the_page_shows_every_status_with_its_word(client: Client, administrator: Client) -> None:
    both = portal(client) + administrator.get("/ui/back-office/").content.decode()
    for cycle in life_cycles():
        words = {str(escape(status.label)) for status in cycle.table}  # type: ignore[attr-defined]
        assert {word for word in words if word not in both} == set(), cycle.name


def test_a_new_part_of_the_portal_is_put_on_the_page(client: Client) -> None:
    parts = sorted((ROOT / "static/css/portal/components").glob("*.css"))
    known = classes_of(*(f"portal/components/{part.name}" for part in parts))
    assert known - worn_on(portal(client)) == ELSEWHERE


def test_a_new_part_of_the_back_office_is_put_on_the_page(administrator: Client) -> None:
    page = administrator.get("/ui/back-office/").content.decode()
    known = classes_of("admin/base.css", "admin/pages.css", "admin/actions.css")
    missing = known - worn_on(page)
    assert {name for name in missing if not OF_THE_THEME.match(name)} == set()


def test_the_page_of_the_portal_needs_no_sign_in_and_reads_no_table(client: Client) -> None:
    """Without a database fixture every query is refused."""
    page = client.get("/ui/").content.decode()
    assert "Mara Lindqvist" in page
    assert "Please correct this" in page


def test_only_staff_see_the_frame_of_the_back_office(client: Client, db: object) -> None:
    assert client.get("/ui/back-office/").status_code == 302
