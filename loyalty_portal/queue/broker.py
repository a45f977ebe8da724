"""Kombu's Redis transport with one client for each channel.

Kombu makes a new client for each message, which costs more than sending it. A client can be shared,
because it takes a connection from the pool for each command.
"""

from functools import cached_property
from typing import Any

from kombu.transport import redis


class Channel(redis.Channel):
    @cached_property
    def _kept(self) -> Any:
        return super()._create_client()  # type: ignore[no-untyped-call]

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous)  # type: ignore[no-untyped-call]
        return self._kept


class Transport(redis.Transport):
    """The transport that settings.CELERY_BROKER_TRANSPORT names."""

    Channel = Channel
