"""A Redis that is unavailable in different ways, for tests in this process."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches

from loyalty_portal import celery
from loyalty_portal.http import cache as resting
from tests.support.daemons import Redis

WAYS = ("stopped", "frozen")


class SilentServer:
    """A server that accepts connections and never answers, like a frozen Redis."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._listening.setblocking(False)
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"

    def visits(self) -> int:
        """The number of connections since the last call."""
        count = 0
        while True:
            try:
                connection, _peer = self._listening.accept()
            except BlockingIOError:
                return count
            connection.close()
            count += 1

    def close(self) -> None:
        self._listening.close()


@contextmanager
def cache_at(settings: Any, url: str, *, patience: float = 0.0) -> Iterator[None]:
    """Use the cache at `url` in the block, with a timeout of `patience` seconds."""
    before = settings.CACHES
    options = dict(before["default"]["OPTIONS"])
    if patience:
        options |= {"SOCKET_TIMEOUT": patience, "SOCKET_CONNECT_TIMEOUT": patience}
    caches.close_all()
    settings.CACHES = {
        **before,
        "default": {**before["default"], "LOCATION": url, "OPTIONS": options},
    }
    forget_it_was_away()
    try:
        yield
    finally:
        caches.close_all()
        settings.CACHES = before
        forget_it_was_away()


@contextmanager
def broker_at(url: str, *, patience: float = 0.0) -> Iterator[None]:
    """Send tasks to the broker at `url` in the block."""
    app = celery.app
    names = ("broker_url", "broker_read_url", "broker_write_url", "broker_transport_options")
    before = {name: getattr(app.conf, name) for name in names}
    options = dict(before["broker_transport_options"])
    if patience:
        options |= {"socket_timeout": patience, "socket_connect_timeout": patience}
    _lead_tasks(dict.fromkeys(names[:3], url) | {"broker_transport_options": options})
    try:
        yield
    finally:
        _lead_tasks(before)


def _lead_tasks(there: dict[str, Any]) -> None:
    app = celery.app
    app.conf.update(there)
    app._pool = app.amqp._producer_pool = None  # recreated for the next task
    celery._broker.rest_until = 0.0


def forget_it_was_away() -> None:
    """Forget an earlier failure, after which the process would not use Redis for some seconds."""
    resting._Resting.rest_until = 0.0
    celery._broker.rest_until = 0.0


@pytest.fixture
def own_redis(settings: Any, tmp_path: Path) -> Iterator[Redis]:
    """A Redis for one test, which can be frozen, killed and flushed. The cache uses it."""
    redis = Redis(tmp_path)
    redis.start()
    with cache_at(settings, redis.url):
        yield redis
    redis.resume()
    redis.kill()


def make_unavailable(redis: Redis, way: str) -> None:
    """Make Redis unavailable while this process has connections to it."""
    {"stopped": redis.kill, "frozen": redis.pause, "full": redis.fill}[way]()
