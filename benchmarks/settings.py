"""Production's settings, but for TLS: there is no proxy in front of the benchmark."""

from loyalty_portal.settings import *  # noqa: F403

SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = False
