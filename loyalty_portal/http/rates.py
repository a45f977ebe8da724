"""Rates: how many a minute somebody may do, counted in Redis or else in each process.

The algorithm is GCRA: a rate is spread over the minute, after a burst. Its result says how many
remain and how long to wait, so telling that costs no second question.
"""

import functools
import logging
import math
import time
from dataclasses import dataclass

from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from throttled import BaseRateLimiter, RateLimiterRegistry, per_min
from throttled.exceptions import StoreUnavailableError
from throttled.store import BaseStore, MemoryStore, RedisStore

from loyalty_portal.http.cache import connection_class

logger = logging.getLogger(__name__)

MOST_COUNTED = 50_000  # of whom each process counts while Redis is away
LOGGED_EVERY = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Rate:
    """`most` a minute, after `burst` at once."""

    name: str
    most: int
    burst: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one more. `refused`: it is beyond the rate, and was not counted.

    `left` more are possible at once; all of them again after `full_in` seconds, and the next one
    after `wait` seconds (0: now). `is_shared`: counted for all processes together.
    """

    rate: Rate
    refused: bool
    left: int
    full_in: int
    wait: int
    is_shared: bool


def take(rate: Rate, who: str) -> Taken:
    """Count one for `who`. Without Redis each process counts for itself."""
    try:
        return _taken(
            rate, who, _shared(str(settings.CACHES["default"]["LOCATION"])), is_shared=True
        )
    except StoreUnavailableError as error:
        _tell(error)
        return _taken(rate, who, _own(), is_shared=False)


def _taken(rate: Rate, who: str, store: BaseStore, *, is_shared: bool) -> Taken:
    # Another rate for the same one begins anew, so that it holds at once.
    counted = f"{rate.name}:{rate.most}:{who}"
    result = _limiter(rate.most, rate.burst, store).limit(counted)
    state = result.state
    return Taken(
        rate=rate,
        refused=result.limited,
        left=state.remaining,
        full_in=math.ceil(state.reset_after),
        wait=math.ceil(state.retry_after) if result.limited else 0,
        is_shared=is_shared,
    )


@functools.cache
def _limiter(most: int, burst: int, store: BaseStore) -> BaseRateLimiter:
    return RateLimiterRegistry.get("gcra")(per_min(most, burst=burst), store)


@functools.cache
def _shared(url: str) -> RedisStore:
    options = {
        "SOCKET_TIMEOUT": settings.REDIS_TIMEOUT,
        "SOCKET_CONNECT_TIMEOUT": settings.REDIS_TIMEOUT,
        "CONNECTION_POOL_KWARGS": {
            "connection_class": connection_class(url),
            "retry": Retry(NoBackoff(), 0),
        },
    }
    return RedisStore(server=url, options=options)


@functools.cache
def _own() -> MemoryStore:
    return MemoryStore(options={"MAX_SIZE": MOST_COUNTED})


class _Told:
    at = -LOGGED_EVERY


def _tell(error: Exception) -> None:
    """Log once a minute that each process counts for itself."""
    now = time.monotonic()
    if now - _Told.at >= LOGGED_EVERY:
        _Told.at = now
        logger.warning(
            "Redis counts no rates now; each process does (%s)", type(error.__cause__).__name__
        )
