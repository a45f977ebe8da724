"""Only staff may change the e-mail address by which a user signs in."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import AccountManager
from tests.accounts.factories import SeatFactory

pytestmark = pytest.mark.django_db


def test_nobody_changes_the_address_they_sign_in_with(
    client_for: Callable[[AccountManager], Client],
) -> None:
    seat = SeatFactory.create()
    client = client_for(seat)
    assert client.get("/accounts/email/").status_code == 404
    new = {"action_add": "", "email": "somebody@elsewhere.example"}
    assert client.post("/accounts/email/", new).status_code == 404
    assert client.get("/accounts/confirm-email/MQ:1abcde:key/").status_code == 404
