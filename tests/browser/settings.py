"""The portal's settings with the error pages that people see, and the tests' passwords."""

from loyalty_portal.settings import *  # noqa: F403

DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # as tests/conftest.py has it
