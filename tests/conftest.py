"""What all tests share."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import AccountManager
from accounts.views import SEAT_KEY


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """No test finds what another left in Redis."""
    cache.clear()


@pytest.fixture
def client_for() -> Callable[[AccountManager], Client]:
    """A browser without JavaScript, signed in and in the given seat."""

    def sign_in(seat: AccountManager) -> Client:
        client = Client()
        client.force_login(seat.user, backend="django.contrib.auth.backends.ModelBackend")
        session = client.session
        session[SEAT_KEY] = str(seat.pk)
        session.save()
        return client

    return sign_in
