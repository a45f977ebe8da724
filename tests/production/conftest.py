"""All tests here run by `make production-check` and, those marked `long`, by
`make production-faults`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.chaos.actors.house import own_postgres
from tests.production.haproxy.balancer import HAPROXY
from tests.production.stack import Production
from tests.support.reverse_proxy import NGINX

HERE = Path(__file__).parent
# Begun first, so that no process is left with one of them at the end (`make production-check`).
LONGEST = ("test_order", "test_metrics", "test_roll_small", "test_last_release", "test_brokers")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.production)
    if len(ours) == len(items):
        items.sort(key=_place)  # keeps the order within a file


def _place(item: pytest.Item) -> int:
    name = item.path.stem
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


@pytest.fixture(scope="session")
def _production(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Production]:
    if not HAPROXY:
        pytest.skip("haproxy is missing (Debian: apt install haproxy)")
    if not NGINX:
        pytest.skip("nginx is missing (Debian: apt install nginx-light)")
    with (
        own_postgres("production") as postgres,
        Production(tmp_path_factory.mktemp("production"), postgres) as running,
    ):
        yield running


@pytest.fixture
def production(_production: Production, django_db_blocker: DjangoDbBlocker) -> Iterator[Production]:
    """Everything that production has, all running. Django's models here use its database."""
    _production.mend()
    with django_db_blocker.unblock(), _production.as_default():
        yield _production
    print(_production.news())  # pytest shows it when the test has failed
