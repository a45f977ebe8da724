"""Settings with guards removed, so that tests can show that they notice.

UNGUARDED names the guards (tests/support/guards/guards_off.py), separated by commas.
"""

import os

from django.apps import AppConfig
from django.utils.module_loading import import_string

from loyalty_portal.settings import *  # noqa: F403
from loyalty_portal.settings import INSTALLED_APPS


class Unguarded(AppConfig):
    """Removes the guards. It is the last app, so that it can import the rooms that it changes."""

    name = "tests"
    label = "unguarded"

    def ready(self) -> None:
        import_string("tests.support.guards.guards_off.remove_guards")(os.environ["UNGUARDED"])


INSTALLED_APPS = [*INSTALLED_APPS, "tests.support.guards.settings_unguarded.Unguarded"]
