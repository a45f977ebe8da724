"""The web server's settings: `python -m loyalty_portal.web` starts it, and it reads this file.

PORT and WEB_CONCURRENCY are gunicorn's own variables.
"""

import gc
import os
import resource
from pathlib import Path
from typing import Any

# Each connection is a file, and one that waits costs little else: let there be many.
_, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))

bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
workers = int(os.environ.get("WEB_CONCURRENCY") or 4)
# An event loop receives requests and sends answers; only whole ones reach a thread.
worker_class = "loyalty_portal.http.web_worker.PortalWorker"
asgi_lifespan = "off"
# Requests wait for PostgreSQL, so a few threads keep a worker busy; each holds one connection.
threads = 4
# Loaded once before the workers split: their memory is shared, and a wrong setting stops the start.
preload_app = True

timeout = 30  # seconds without a sign of life before a worker is replaced
graceful_timeout = 10  # seconds for open requests at a stop
# Longer than nginx keeps an unused connection (60 s), so that it never sends on one that we close.
keepalive = 75  # seconds; an idle connection costs no thread

# The heartbeat's file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# Stopped and reloaded by signals; no socket in the home folder.
control_socket_disable = True
# Requests are logged by the application and the proxy.
accesslog = None


def when_ready(server: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """What was loaded once stays: the collector need not look at it, nor unshare its pages."""
    gc.collect()
    gc.freeze()
