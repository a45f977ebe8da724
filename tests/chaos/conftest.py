"""A PostgreSQL that may be killed, for runs with random faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from pytest_django.plugin import DjangoDbBlocker

from tests.chaos.actors.house import House, Postgres, own_postgres
from tests.chaos.run import built
from tests.support.stack import Databases, Stack

Builder = Callable[..., AbstractContextManager[House]]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with own_postgres() as running:
        yield running


@pytest.fixture(scope="session")
def own_databases(postgres: Postgres) -> Iterator[Databases]:
    with Databases(postgres.address) as fresh:
        yield fresh


@pytest.fixture
def build(
    tmp_path: Path, postgres: Postgres, own_databases: Databases, django_db_blocker: DjangoDbBlocker
) -> Iterator[Builder]:
    """Builds the portal for one run: `with build(...) as house`. Its sweeper polls more often."""
    with django_db_blocker.unblock():
        yield partial(built, tmp_path, postgres, own_databases, sweep_period=Stack.sweep_period)
