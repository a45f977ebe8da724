"""Where browsers fetch static files: from the portal's own host, or from a CDN."""

from urllib.parse import urlsplit

from loyalty_portal.configuration.environment import Environment

PATH = "/static/"  # at every host
FINDERS = [
    "loyalty_portal.web.stylesheets.StylesheetFinder",
    "django.contrib.staticfiles.finders.FileSystemFinder",
    "django.contrib.staticfiles.finders.AppDirectoriesFinder",
]


def static_host(env: Environment) -> str:
    """STATIC_HOST, such as `https://cdn.example`; "" for the portal's own host.

    Problems are added to `env`. Without https a browser would not load the files into our pages,
    and anybody on the way could change our scripts.
    """
    host = env.url("STATIC_HOST")
    there = urlsplit(host)
    if host and (there.scheme != "https" or there.path or there.query or "@" in there.netloc):
        env.wrong(
            "STATIC_HOST",
            f"must be https:// and a host alone, such as https://cdn.example, not {host!r}.",
        )
        return ""
    return host
