"""The portal's settings with the error pages that people see."""

from loyalty_portal.settings import *  # noqa: F403

DEBUG = False
