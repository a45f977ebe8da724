"""An index that is too late, or whose folder cannot be written: PostgreSQL answers, and it is said."""

import logging
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from accounts.models import AccountManager
from catalog.search import folders, opened
from catalog.search.building import build
from catalog.search.state import FollowerState, readiness, standing, write_state
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.catalog.search.conftest import OwnIndex
from tests.catalog.test_list import names, page

pytestmark = pytest.mark.django_db
NOBODY = 65534


@pytest.fixture
def client(client_for: Callable[[AccountManager], Client]) -> Client:
    return client_for(SeatFactory.create())


def is_answered_by_the_index(client: Client) -> bool:
    """Only the index knows near spellings."""
    opened.look_again()
    return names(page(client, "?q=lantren")) == ["Lantern"]


def follower_is_behind(seconds: float, waiting: int = 0) -> None:
    now = timezone.now()
    write_state(FollowerState(now, now - timedelta(seconds=seconds), waiting))


def test_an_index_that_is_far_behind_is_not_asked_until_it_has_caught_up(
    client: Client, index: OwnIndex, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ProductFactory.create(name="Lantern")
    index.build()
    assert is_answered_by_the_index(client)
    follower_is_behind(settings.SEARCH_MAX_LAG - 5, waiting=7)
    assert is_answered_by_the_index(client)
    assert readiness() == "is 295 s behind"
    with caplog.at_level(logging.WARNING, "catalog.search.opened"):
        follower_is_behind(settings.SEARCH_MAX_LAG + 5, waiting=7)
        assert not is_answered_by_the_index(client)
        assert names(page(client, "?q=lantern")) == ["Lantern"]  # by PostgreSQL
        assert readiness() == "is not used: it is more than 300 s behind"
        follower_is_behind(0)
        assert is_answered_by_the_index(client)
    said = [each.getMessage() for each in caplog.records if each.name == "catalog.search.opened"]
    assert said == [
        "the search index is not used: it is more than 300 s behind",
        "the search index is used again",
    ]
    assert standing().wrong == ""


def test_an_index_whose_follower_is_gone_is_not_asked_after_a_while(
    client: Client, index: OwnIndex, settings: Any, tmp_path: Path
) -> None:
    ProductFactory.create(name="Lantern")
    index.build()
    note = folders.root() / "state.json"
    _turn_back(note, settings.SEARCH_MAX_LAG - 60)
    assert is_answered_by_the_index(client)
    assert standing().behind is None
    _turn_back(note, settings.SEARCH_MAX_LAG + 60)
    _as_a_process_that_has_just_begun(settings, tmp_path)
    assert not is_answered_by_the_index(client)
    assert readiness() == "is not used: nobody has followed the changes for more than 300 s"
    index.follow()
    follower_is_behind(0)
    assert is_answered_by_the_index(client)


def test_a_clock_that_jumps_makes_no_index_old_or_young(
    client: Client, index: OwnIndex, settings: Any
) -> None:
    ProductFactory.create(name="Lantern")
    index.build()
    note = folders.root() / "state.json"
    assert is_answered_by_the_index(client)
    for jump in (-30 * 24 * 3600, 30 * 24 * 3600):
        follower_is_behind(0)
        _turn_back(note, jump)  # as if the machine's clock had been set since it was written
        assert is_answered_by_the_index(client)
        assert standing().behind == pytest.approx(0, abs=5)
        follower_is_behind(settings.SEARCH_MAX_LAG + 5)
        _turn_back(note, jump)
        assert not is_answered_by_the_index(client)


def _turn_back(note: Path, seconds: float) -> None:
    written = note.stat().st_mtime - seconds
    os.utime(note, (written, written))


def _as_a_process_that_has_just_begun(settings: Any, tmp_path: Path) -> None:
    """By another name of the same folder, of which this process knows nothing yet."""
    (tmp_path / "same").symlink_to(settings.SEARCH_INDEX_PATH)
    settings.SEARCH_INDEX_PATH = tmp_path / "same"


def test_a_file_in_the_place_of_the_folder(client: Client, index: OwnIndex) -> None:
    ProductFactory.create(name="Lantern")
    folders.root().write_text("not a folder")
    assert names(page(client, "?q=lantern")) == ["Lantern"]
    assert readiness().startswith("is not used: ")
    with pytest.raises(CommandError, match="SEARCH_INDEX_PATH"):
        call_command("index_catalog")


def test_a_folder_that_may_not_be_written(client: Client, index: OwnIndex) -> None:
    ProductFactory.create(name="Lantern")
    index.build()
    before = folders.current()
    folders.root().chmod(0o555)
    try:
        with _as_somebody_else(), pytest.raises(CommandError, match="cannot be written"):
            call_command("index_catalog")
    finally:
        folders.root().chmod(0o755)
    assert folders.current() == before
    assert is_answered_by_the_index(client)


def test_a_folder_that_is_full(client: Client, index: OwnIndex) -> None:
    for number in range(300):
        ProductFactory.create(name=f"Lantern {number}")
    index.build()
    before = folders.current()
    with _room_for(bytes_=4_000), pytest.raises((OSError, ValueError)):
        build()
    assert folders.current() == before
    assert [path.name for path in folders.root().glob("build-*")] == [before.folder.name]
    opened.look_again()
    assert "Lantern" in names(page(client, "?q=lantren"))[0]


@contextmanager
def _as_somebody_else() -> Iterator[None]:
    """The administrator may write everywhere, so as somebody who may not."""
    ours = os.geteuid()
    if ours == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if ours == 0:
            os.seteuid(ours)


@contextmanager
def _room_for(bytes_: int) -> Iterator[None]:
    """No file may grow beyond this: the system refuses to write, as on a full disk."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
