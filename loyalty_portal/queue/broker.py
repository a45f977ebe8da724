"""Kombu's Redis transports with one client for each channel.

Kombu makes a new client for each message, which costs more than sending it. A client can be shared,
because it takes a connection from the pool for each command.
"""

from functools import cached_property
from typing import Any

from kombu.transport import redis


class _OneClient:
    @cached_property
    def _kept(self) -> Any:
        return super()._create_client()  # type: ignore[misc]

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous)  # type: ignore[misc]
        return self._kept


class Channel(_OneClient, redis.Channel):
    """A channel to one Redis."""


class SentinelChannel(_OneClient, redis.SentinelChannel):
    """A channel to the Redis that Sentinel names as the master."""


class Transport(redis.Transport):
    """The transport for redis:// and rediss://."""

    Channel = Channel


class SentinelTransport(redis.SentinelTransport):
    """The transport for sentinel://."""

    Channel = SentinelChannel
