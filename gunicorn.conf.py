"""gunicorn's settings. `python -m loyalty_portal.web` starts gunicorn, which reads this file.

PORT and WEB_CONCURRENCY are gunicorn's own variables.
"""

import gc
import math
import os
import resource
from pathlib import Path
from typing import Any

from django.utils.module_loading import import_string

from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.observability import traces
from loyalty_portal.configuration.processes import shutdown_delay
from loyalty_portal.metrics import web_files

# Before anything imports prometheus_client.
web_files.prepare()

# Each connection needs a file descriptor, and an idle one costs little, so allow many.
_, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))

bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
workers = int(os.environ.get("WEB_CONCURRENCY") or 4)
# An event loop receives requests and sends responses; threads get only complete requests.
worker_class = "loyalty_portal.http.web_worker.PortalWorker"
asgi_lifespan = "off"
# Requests wait for PostgreSQL, so a few threads keep a worker busy. Each has one connection.
threads = 4
# Load the application once before forking: workers share its memory, and a wrong setting stops the
# start.
preload_app = True

timeout = 30  # seconds without a heartbeat before a worker is replaced
# When stopping: the time in which a balancer notices, then 10 seconds for open requests.
graceful_timeout = math.ceil(shutdown_delay(Environment())) + 10
# Longer than nginx keeps an idle connection (60 s), so that nginx never uses one that we close.
keepalive = 75  # seconds; an idle connection holds no thread

# The worker's heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
# No control socket: signals stop and reload the server.
control_socket_disable = True
# The application and the proxy log requests.
accesslog = None


def when_ready(server: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """Tell figures, and exclude loaded objects from garbage collection, which would copy memory
    shared by workers.
    """
    import_string("loyalty_portal.metrics.web_port.serve_sum")()
    gc.collect()
    gc.freeze()


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001
    web_files.begin_process()
    traces.start("web")  # here, because the thread that sends spans does not survive a fork


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001
    import_string("loyalty_portal.metrics.web_port.end_process")(worker.pid)


def on_exit(server: Any) -> None:  # noqa: ARG001
    web_files.remove()
