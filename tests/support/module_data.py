"""Data that is created once for all tests of a module, because creating it is slow."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.test import override_settings

from tests.support.sandbox_process import API_KEY, SandboxProcess


@contextmanager
def shared_data(sandbox: SandboxProcess, blocker: Any) -> Iterator[None]:
    """Commit what is created in the block: a partner cannot be called inside a transaction.

    The module's tests are marked `django_db`, so each is rolled back. All data is removed at the
    end.
    """
    sandbox.reset()
    addresses = {
        "LOYALTY_API_URL": sandbox.loyalty_url,
        "LOYALTY_API_KEY": API_KEY,
        "LOYALTY_OAUTH_TOKEN_URL": "",
        "FULFILLMENT_API_URL": sandbox.fulfillment_url,
        "FULFILLMENT_API_KEY": API_KEY,
        "FULFILLMENT_OAUTH_TOKEN_URL": "",
    }
    with override_settings(**addresses), blocker.unblock():
        assert connection.settings_dict["NAME"].startswith("test_")
        try:
            yield
        finally:
            call_command("flush", interactive=False, verbosity=0)
