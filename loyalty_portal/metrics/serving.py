"""Serves a process's figures to Prometheus, on a port of its own (METRICS_PORT)."""

import logging
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from threading import Thread

from django.conf import settings
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

from loyalty_portal.configuration.environment import Environment
from loyalty_portal.configuration.processes import metrics_port
from loyalty_portal.metrics.state import StateCollector

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 15.0  # until a port that was taken is tried again


def serve(
    role: str,
    *,
    states: Iterable[str],
    registry: CollectorRegistry = REGISTRY,
    quiet: AbstractContextManager[object] | None = None,
) -> None:
    """Tell this process's figures and the `states` (metrics/state.py) on its port. Returns at once.

    A port that is taken, such as by the process that this one replaces, costs the process none of
    its work: the log says so once, and the port is tried again until it is free. `Prometheus` sees
    meanwhile what the other one tells, or nothing, for which there is an alert.
    """
    port = metrics_port(Environment(), role)
    if not port:
        return
    told = StateCollector(states, quiet)
    registry.register(told)
    told.start()
    Thread(target=_listen, args=(port, registry), name="metrics", daemon=True).start()


def _listen(port: int, registry: CollectorRegistry) -> None:
    """Open the port, however long that takes. The server has threads of its own."""
    tries = 0
    while True:
        try:
            start_http_server(port, settings.METRICS_HOST, registry)
        except OSError as error:
            if not tries:
                logger.error(
                    "METRICS_PORT: %s port %s cannot be opened (%s); this process does all its "
                    "work, but tells no figures until the port is free",
                    settings.METRICS_HOST,
                    port,
                    error.strerror or error,
                )
            tries += 1
            time.sleep(AGAIN_SECONDS)
            continue
        logger.info("figures for Prometheus on %s port %s", settings.METRICS_HOST, port)
        return
