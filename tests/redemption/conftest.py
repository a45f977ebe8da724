"""People of finance, who decide what only people can find out."""

from typing import Any

import pytest

from accounts.models import User
from tests.accounts.factories import UserFactory


@pytest.fixture
def fay(db: None) -> User:
    user: User = UserFactory(name="Fay Finance", is_staff=True)
    return user


@pytest.fixture
def gil(db: None) -> User:
    user: User = UserFactory(name="Gil Finance", is_staff=True)
    return user


@pytest.fixture
def ignores_keys(settings: Any) -> None:
    """So that a debit without a clear answer waits for people at once."""
    settings.LOYALTY_API_IDEMPOTENT = False
