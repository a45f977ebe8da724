"""The demo's pages: as in development, but people see what they see in production when something
is not there or goes wrong, instead of Django's own words about it."""

from loyalty_portal.settings import *  # noqa: F403 - nothing else is different

DEBUG = False
