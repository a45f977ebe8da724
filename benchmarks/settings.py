"""Production's settings without TLS, because the benchmark has no proxy."""

from loyalty_portal.settings import *  # noqa: F403

SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
