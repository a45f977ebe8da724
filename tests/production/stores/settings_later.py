"""The portal with a migration more."""

from loyalty_portal import settings
from loyalty_portal.settings import *  # noqa: F403

INSTALLED_APPS = [*settings.INSTALLED_APPS, "tests.production.stores.later"]
