"""The follower as a process: killed at any moment, it leaves a good index and goes on."""

import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from catalog.models import Product
from catalog.search import folders
from catalog.search.state import standing
from loyalty_portal.feed.touches import place_now
from tests.catalog.search.agreement import Dice
from tests.catalog.search.test_agreement import compare, searcher
from tests.support.daemons import Daemon
from tests.support.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def follower(settings: Any, tmp_path: Path) -> Iterator[Daemon]:
    settings.SEARCH_INDEX_PATH = tmp_path / "search"
    ours = connection.settings_dict
    host = f"/{ours['NAME']}?host={ours['HOST']}" if str(ours["HOST"]).startswith("/") else None
    address = f"postgresql://{ours['USER']}:{ours['PASSWORD']}@" + (
        host or f"{ours['HOST']}:{ours['PORT']}/{ours['NAME']}"
    )
    environment = {
        # Without it, because what the follower says must be read at once wherever it runs.
        **{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        "DATABASE_URL": address,
        "SEARCH_INDEX_PATH": str(tmp_path / "search"),
    }
    command = [sys.executable, "manage.py", "index_catalog", "--follow"]
    running = Daemon("indexer", command, environment, tmp_path)
    yield running
    running.stop()


def has_everything() -> bool:
    """Whether the index has what was changed before now."""
    try:
        return _documents() == Product.objects.count() + 1 and _is_caught_up()
    except folders.IndexUnusableError:
        return False


def _documents() -> int:
    return int(searcher().num_docs)


def _is_caught_up() -> bool:
    now = standing()
    return now.behind is not None and now.behind < 1 and now.waiting == 0


def change(dice: Dice, families: list[Any]) -> None:
    for product in Product.objects.order_by("?")[:20]:
        for name, value in dice.offer().items():
            setattr(product, name, value)
        product.available_from = product.available_until = None
        product.family = dice.random.choice([None, *families])
        product.save()


def settled(dice: Dice) -> None:
    """Wait until a change that is made last is in the index, and so are all before it."""
    last = dice.product([], name="The last one", available_from=None, available_until=None)
    last.save()
    eventually(has_everything, "the index has everything", within=120)


def play(dice: Dice, follower: Daemon, kills: int, *, asked_each_time: int = 0) -> None:
    families = dice.families(10)
    rows = [dice.product(families, available_from=None, available_until=None) for _ in range(200)]
    Product.objects.bulk_create(rows)
    for _ in range(kills):
        follower.start()
        pause = dice.random.random() * 3
        ends = time.monotonic() + pause
        while time.monotonic() < ends:
            change(dice, families)
        follower.kill()
        if folders.root().joinpath("current-1.json").exists():
            folders.verify(folders.current().folder)  # what was left is whole
        if asked_each_time:
            follower.start()
            settled(dice)
            compare(dice, asked_each_time)
            follower.kill()
    follower.start()
    settled(dice)
    compare(dice, 40)


def test_a_follower_that_is_killed_at_random_leaves_a_good_index(follower: Daemon) -> None:
    play(Dice(random.Random().randrange(10**9), place_now().at), follower, kills=3)


@pytest.mark.long
def test_a_follower_that_is_killed_in_each_of_20_rounds_and_asked_2000_times(
    follower: Daemon,
) -> None:
    dice = Dice(random.Random().randrange(10**9), place_now().at)
    play(dice, follower, kills=20, asked_each_time=2_000)


def test_two_followers_at_once_do_the_work_of_one(follower: Daemon, tmp_path: Path) -> None:
    dice = Dice(1, place_now().at)
    Product.objects.bulk_create(dice.product([], available_from=None) for _ in range(20))
    second = Daemon("second", follower.command, follower.environment, tmp_path)
    try:
        follower.start()
        eventually(has_everything, "the first has built the index", within=120)
        second.start()
        eventually(lambda: "Another follower" in second.log.read_text(), "it waits", within=60)
        follower.kill()
        settled(dice)  # the second has taken over
    finally:
        second.stop()


def test_a_lock_that_is_not_had_in_time_ends_no_follower(follower: Daemon) -> None:
    dice = Dice(3, place_now().at)
    Product.objects.bulk_create(dice.product([], available_from=None) for _ in range(5))
    follower.start()
    eventually(has_everything, "it is built", within=120)
    dice.product([], name="Meanwhile", available_from=None, available_until=None).save()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {Product._meta.db_table} IN ACCESS EXCLUSIVE MODE")
        eventually(lambda: "was busy" in follower.log.read_text(), "it has waited", within=60)
    assert follower.is_running
    settled(dice)


def test_an_index_keeps_its_place(follower: Daemon) -> None:
    dice = Dice(2, place_now().at)
    Product.objects.bulk_create(dice.product([], available_from=None) for _ in range(5))
    follower.start()
    eventually(has_everything, "it is built", within=120)
    built = folders.current()
    follower.stop()
    settled_by = dice.product([], name="Meanwhile", available_from=None, available_until=None)
    settled_by.save()
    follower.start()
    eventually(has_everything, "it has what changed meanwhile", within=120)
    assert folders.current() == built  # it was not built anew
