"""The web process: `python -m loyalty_portal.web [--bind HOST:PORT]`.

The one place that says which server runs and how it is called: the image, the demo and the tests
start this. Its settings are in gunicorn.conf.py, which it reads by itself.
"""

import runpy
import sys

from loyalty_portal.configuration.environment import forget_empty


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM. `arguments` are the server's own."""
    # Before the server is loaded: it reads PORT and WEB_CONCURRENCY as it is.
    forget_empty()
    sys.argv = ["gunicorn", "loyalty_portal.wsgi", *arguments]
    runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
