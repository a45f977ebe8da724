"""Fixtures for all tests."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client

from accounts.models import AccountManager
from accounts.selectors import SEAT_KEY
from loyalty_portal.fastpath.fragments import forget_held
from tests.accounts.second_factor import ProvedForce
from tests.redemption.world import World
from tests.support.sandbox_process import API_KEY, SandboxProcess
from tests.support.shortcuts import QuickEmptying
from tests.support.stack import Databases

pytest_plugins = [
    "tests.measuring",
    "tests.support.redis_away",
    "tests.support.stack_fixtures",
]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, databases: Databases
) -> None:
    """Copy the tests' database from the one that was migrated, and allow truncating its tables
    between tests, which the history triggers refuse otherwise.
    """
    settings.DATABASES["default"]["TEST"]["TEMPLATE"] = databases.template()
    settings.DATABASES["default"]["OPTIONS"]["options"] += " -c portal.history_may_go=yes"


@pytest.fixture(scope="session", autouse=True)
def _quick_emptying() -> None:
    QuickEmptying().install()


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_looked_up_when_asked_for() -> None:
    """WhiteNoise would list every static file anew for each test client, 40 ms each time."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session", autouse=True)
def _forced_sign_ins_have_both_steps() -> None:
    ProvedForce().install()


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Empty the cache, so that no test finds another test's entries."""
    cache.clear()
    forget_held()


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["tests.support.shortcuts.QuickHasher"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests marked `both_ways` twice: with the fastpath, and with plain Django."""
    if metafunc.definition.get_closest_marker("both_ways"):
        metafunc.parametrize("fastpath", [True, False], ids=["fast", "plain"], indirect=True)


@pytest.fixture(autouse=True)
def fastpath(request: pytest.FixtureRequest, settings: Any) -> None:
    if hasattr(request, "param"):
        settings.FASTPATH = request.param


@pytest.fixture
def client_for() -> Callable[[AccountManager], Client]:
    """Make clients (browsers without JavaScript) that are signed in with a given seat."""

    def sign_in(seat: AccountManager) -> Client:
        client = Client()
        client.force_login(seat.user, backend="accounts.backends.SeatsBackend")
        session = client.session
        session[SEAT_KEY] = str(seat.pk)
        session.save()
        return client

    return sign_in


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess.start() as running:
        yield running


@pytest.fixture
def partners(sandbox: SandboxProcess, settings: Any) -> SandboxProcess:
    """Reset the sandbox, and point the portal's settings to it."""
    sandbox.reset()
    settings.LOYALTY_API_URL = sandbox.loyalty_url
    settings.LOYALTY_API_KEY = API_KEY
    settings.LOYALTY_OAUTH_TOKEN_URL = ""
    settings.FULFILLMENT_API_URL = sandbox.fulfillment_url
    settings.FULFILLMENT_API_KEY = API_KEY
    settings.FULFILLMENT_OAUTH_TOKEN_URL = ""
    settings.PARTNER_TIMEOUT = 1.0
    settings.PARTNER_DEADLINE = 2.0
    return sandbox


@pytest.fixture
def world(partners: SandboxProcess, transactional_db: None) -> World:
    """A company with 100,000 points, a buyer, and products to redeem."""
    return World(partners)
