"""The sandbox, for the tests of this room."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.redemption.world import World
from tests.sandbox_process import API_KEY, SandboxProcess


@pytest.fixture(scope="session")
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess.start() as running:
        yield running


@pytest.fixture
def partners(sandbox: SandboxProcess, settings: Any) -> SandboxProcess:
    """The pretend partners, as on their first day, and the portal's settings pointing at them."""
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
    """A company with 100,000 points, a buyer, and what they need."""
    return World(partners)
