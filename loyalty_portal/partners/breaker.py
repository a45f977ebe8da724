"""A circuit breaker: whether a partner is down, as seen by all processes together (ADR 0011).

It stops no call that is due: debits, credits and deliveries are sent as always, and their answers
close the breaker again. It only warns code that is about to accept something new. The state is in
the cache; without the cache the breaker counts as closed.

It also counts answers that reject our credentials (ADR 0010). There a GET counts as much as a POST,
because both send the same credentials. Without the cache only the rows of rejected calls tell it
(`redemption.incidents.partners`).
"""

import logging
import time

from django.core.cache import cache

from loyalty_portal.partners.answers import Answer, Outcome

log = logging.getLogger(__name__)

FAILURES = 5  # failed calls in a row, in all processes
WINDOW = 60  # seconds in which they must happen, and for which an open breaker stays open
REST = 15  # seconds after the last failure until a new try is allowed
REJECTIONS = 3  # calls in a row that were rejected for our credentials
REMEMBERED = 3600  # seconds since the last rejection; the interval of polls is a quarter of an hour
SILENCE = frozenset({"connection", "timeout", "deadline", "token"})


def hear(partner: str, method: str, answer: Answer) -> None:
    """Count the result of a call to `partner`.

    Only POSTs show whether the partner can act. A GET counts only when it failed to arrive: a slow
    or an answered GET says nothing about POSTs.
    """
    if answer.rejects_us:
        _count(_rejections(partner), REMEMBERED)
        cache.touch(_rejections(partner), timeout=REMEMBERED)
    elif answer.outcome is not Outcome.UNKNOWN:
        cache.delete(_rejections(partner))
    if _is_silence(answer):
        if method == "POST" or not answer.may_have_landed:
            _failed(partner)
    elif method == "POST" and answer.outcome is not Outcome.UNKNOWN:
        _answered(partner)  # an UNKNOWN answer proves neither success nor failure


def down_since(partner: str) -> float | None:
    """When the partner was found to be down, in seconds since the epoch; None if it is up.

    Costs one read of the cache.
    """
    since: float | None = cache.get(_down(partner))
    return since


def rejects_us(partner: str) -> bool:
    """Whether the partner rejected our credentials several times in a row. One cache read."""
    return bool(cache.get(_rejections(partner), 0) >= REJECTIONS)


def _is_silence(answer: Answer) -> bool:
    if answer.status_code is None:
        return answer.code in SILENCE
    return answer.status_code >= 500


def _answered(partner: str) -> None:
    # Usually nothing has failed, and then this costs a single cache read.
    if cache.delete(_failures(partner)) and cache.delete(_down(partner)):
        log.warning("partner answers again", extra={"partner": partner})


def _failed(partner: str) -> None:
    failures = _count(_failures(partner), WINDOW)
    if failures < FAILURES:
        return
    cache.touch(_failures(partner), timeout=WINDOW)
    if cache.add(_down(partner), time.time(), timeout=REST):
        log.error("partner is down", extra={"partner": partner, "failures": failures})
    else:
        cache.touch(_down(partner), timeout=REST)


def _count(key: str, seconds: int) -> int:
    """Count one; returns the count in `seconds` since the first, or 0 without a cache."""
    cache.add(key, 0, timeout=seconds)
    try:
        return cache.incr(key) or 0
    except ValueError:  # the key expired between the two calls
        return 0


def _failures(partner: str) -> str:
    return f"partner-failures:{partner}"


def _rejections(partner: str) -> str:
    return f"partner-rejects:{partner}"


def _down(partner: str) -> str:
    return f"partner-down:{partner}"
