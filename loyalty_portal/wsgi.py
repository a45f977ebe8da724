"""The WSGI application that the web server runs (loyalty_portal/web/__main__.py starts it)."""

import os

from django.core.wsgi import get_wsgi_application

from loyalty_portal.configuration.environment import forget_empty
from loyalty_portal.configuration.processes import serves_pages

forget_empty()
serves_pages.set()
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_portal.settings")

application = get_wsgi_application()
