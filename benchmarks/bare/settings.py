"""The bare Django app, which shows what the same work costs without the portal's features."""

from pathlib import Path

import environ

SECRET_KEY = "bare"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "benchmarks.bare.urls"
INSTALLED_APPS = ["benchmarks.bare"]
MIDDLEWARE: list[str] = []
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
    }
]
DATABASES = {"default": environ.Env.db_url_config(__import__("os").environ["DATABASE_URL"])}
DATABASES["default"].update(CONN_MAX_AGE=600, CONN_HEALTH_CHECKS=True)
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# gunicorn.conf.py, which both apps use, tells the portal's figures; with METRICS_PORT=0 nobody asks.
WEB_STATES: list[str] = []
