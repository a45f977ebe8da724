"""Tells Prometheus the sum of what the processes of a web server count.

gunicorn's main process does, which answers no requests. gunicorn.conf.py calls these functions by
name, after metrics/web_files.py.
"""

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from loyalty_portal.configuration.processes import WEB
from loyalty_portal.metrics import web_files
from loyalty_portal.metrics.serving import serve
from loyalty_portal.metrics.web_files import FORMER, KINDS, VARIABLE

logger = logging.getLogger(__name__)

# prometheus_client's, which have no types.
_collector: Any = partial(MultiProcessCollector, None)
_values: Any = MmapedDict

# Held while files or the state are read: a process that is forked amid that could keep a lock.
_quiet = Lock()


class _Sum(Collector):
    """What all processes of this server have counted, those that ended included."""

    def collect(self) -> Iterable[Metric]:
        with _quiet:
            found: list[Metric] = list(_collector(os.environ[VARIABLE]).collect())
            return found

    def describe(self) -> Iterable[Metric]:
        return ()


def serve_sum() -> None:
    """Open the port, in gunicorn's main process before it forks."""
    for problem in web_files.problems:
        logger.error("%s: %s; nothing is counted for Prometheus", VARIABLE, problem)
    registry = CollectorRegistry()
    if VARIABLE in os.environ:
        registry.register(_Sum())
    os.register_at_fork(
        before=_quiet.acquire, after_in_parent=_quiet.release, after_in_child=_quiet.release
    )
    serve(WEB, states=settings.WEB_STATES, registry=registry, quiet=_quiet)


def end_process(pid: int) -> None:
    """Add what a process counted that has ended to what all former ones did, and remove its files:
    a counter must not become smaller.
    """
    if VARIABLE not in os.environ:
        return
    folder = Path(os.environ[VARIABLE])
    with _quiet, suppress(OSError):
        for kind in KINDS:
            file = folder / f"{kind}_{pid}.db"
            _add(_values(str(folder / f"{kind}_{FORMER}.db")), file)
            file.unlink()


def _add(former: Any, file: Path) -> None:
    for key, value, _at, _position in _values.read_all_values_from_file(str(file)):
        former.write_value(key, former.read_value(key)[0] + value, 0.0)
    former.close()
