"""The last release serves people from a database that this version has migrated, as it does during
a deploy: alone, and beside processes of this version.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import AccountManager
from redemption.models import Letter, RedemptionOrder
from redemption.states import OrderStatus
from tests.redemption.world import World
from tests.support.daemons import ROOT
from tests.support.stack import Databases, Stack
from tests.support.stack_fixtures import in_use
from tests.support.waiting import eventually

VERSION = re.compile(r'^version = "(.+)"$', re.MULTILINE)


def git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)
    return done.stdout.decode().strip()


def last_release() -> str:
    """The tag of the newest release before this commit. A clone without tags: the commit that gave
    the project the version of its newest heading. "" where the history is not at hand.
    """
    if tag := git("describe", "--tags", "--abbrev=0", "--match", "v*", "HEAD~1"):
        return tag
    [version] = VERSION.findall((ROOT / "pyproject.toml").read_text())
    return git("log", "-1", "--format=%H", f'-Sversion = "{version}"', "--", "pyproject.toml")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the last release."""
    release = last_release()
    if not release:
        pytest.skip("the last release is missing: this is no clone with its history")
    archive = subprocess.run(
        ["git", "archive", "--format=tar", release], cwd=ROOT, capture_output=True, check=True
    ).stdout
    folder = tmp_path_factory.mktemp("released")
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    told = [sys.executable, "-c", "import redemption; print(redemption.__file__)"]
    found = subprocess.run(told, cwd=folder, capture_output=True, check=True, text=True).stdout
    assert Path(found.strip()).is_relative_to(folder), "its processes would run this version"
    return folder


@pytest.fixture(scope="module")
def _of_the_release(
    released: Path, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("portal"), databases.create())
    for process in (stack.web, stack.worker, stack.sweeper):
        process.folder = released
    with stack:
        yield stack


@pytest.fixture
def portal(_of_the_release: Stack, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    yield from in_use(_of_the_release, django_db_blocker)


# Which processes are this version's already. A deploy replaces them in any order.
@pytest.mark.parametrize("replaced", [(), ("web",), ("worker", "sweeper"), ("sweeper",)])
def test_people_order_cancel_and_read_of_it(
    replaced: tuple[str, ...],
    portal: Stack,
    released: Path,
    client_for: Callable[[AccountManager], Client],
) -> None:
    processes = {name: getattr(portal, name) for name in ("web", "worker", "sweeper")}
    for name, process in processes.items():
        process.stop()
        process.folder = ROOT if name in replaced else released
    for process in processes.values():
        process.launch()
    portal.web.start()  # waits until it answers
    shop = World(portal.sandbox)
    buyer = portal.visitor(sessionid=client_for(shop.seat).cookies["sessionid"].value)

    virtual = buyer.redeem(shop.virtual().get_absolute_url())
    physical = buyer.redeem(shop.product().get_absolute_url())
    assert portal.ends(virtual) == [OrderStatus.COMPLETED]
    confirmed = RedemptionOrder.objects.filter(order_number=physical, status=OrderStatus.CONFIRMED)
    eventually(confirmed.exists, "its points are taken")
    page = buyer.get(f"/orders/{physical}/")
    buyer.send(buyer.form(page, "/cancel/"), reason="Not needed any more")
    assert portal.ends(physical) == [OrderStatus.CANCELLED]

    assert "completed" in buyer.get(f"/orders/{virtual}/").text.lower()
    assert buyer.status("/orders/") == 200
    sent = Letter.objects.filter(order__order_number=virtual, sent_at__isnull=False)
    eventually(sent.exists, "its letter is sent")
    assert not portal.violations()
