"""Fixtures for the running portal, shared by all tests that do not break it for good."""

import os
from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from accounts.models import AccountManager
from tests.redemption.world import World
from tests.support.stack import Databases, Stack
from tests.support.visitor import Visitor


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    with Databases(os.environ["DATABASE_URL"]) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def _whole_stack(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack"), databases.create()) as running:
        yield running


@pytest.fixture
def stack(_whole_stack: Stack, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    """The portal's processes, all running."""
    yield from in_use(_whole_stack, django_db_blocker)


def in_use(stack: Stack, django_db_blocker: DjangoDbBlocker) -> Iterator[Stack]:
    """The stack for one test. Django's models use the stack's database meanwhile."""
    stack.mend()
    with django_db_blocker.unblock(), stack.as_default():
        yield stack
    print(stack.news())  # pytest shows it when the test has failed


@pytest.fixture
def shop(stack: Stack) -> World:
    """A company with 100,000 points, a buyer, and products to redeem."""
    return World(stack.sandbox)


@pytest.fixture
def visitor_for(
    stack: Stack, client_for: Callable[[AccountManager], Client]
) -> Callable[[AccountManager], Visitor]:
    """Make visitors (browsers) that are signed in with a given seat."""

    def sign_in(seat: AccountManager) -> Visitor:
        session = client_for(seat).cookies["sessionid"].value
        return stack.visitor(sessionid=session)

    return sign_in


@pytest.fixture
def visitor(shop: World, visitor_for: Callable[[AccountManager], Visitor]) -> Visitor:
    """The browser of the shop's buyer."""
    return visitor_for(shop.seat)
