"""The web process: `python -m loyalty_portal.web [--bind HOST:PORT]`.

The image, the demo and the tests all start the web server with this module. gunicorn reads its
settings from gunicorn.conf.py.
"""

import runpy
import sys

from loyalty_portal.configuration.environment import forget_empty


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM. `arguments` are gunicorn's."""
    # gunicorn reads PORT and WEB_CONCURRENCY when it is imported, so remove empty ones before.
    forget_empty()
    sys.argv = ["gunicorn", "loyalty_portal.wsgi", *arguments]
    runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
