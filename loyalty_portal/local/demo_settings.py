"""The demo's settings: as in development, but with production's error pages."""

from loyalty_portal.settings import *  # noqa: F403 - nothing else is different

DEBUG = False
