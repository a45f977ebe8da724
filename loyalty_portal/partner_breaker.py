"""Whether a partner is clearly down, as all processes together find (ADR 0011).

It stops no call: debits, credits and deliveries that were promised are asked about as ever, and
each of their answers is the probe that closes the breaker again. It only tells who is about to
promise something new. The cache holds it; without the cache it is closed.
"""

import logging
import time

from django.core.cache import cache

from loyalty_portal.partner_answer import Answer, Outcome

log = logging.getLogger(__name__)

FAILURES = 5  # calls in a row, of any process
WINDOW = 60  # seconds in which they fall, and for which they are remembered then
REST = 15  # seconds after the last failure until somebody may try again
SILENCE = frozenset({"connection", "timeout", "deadline", "token"})


def hear(partner: str, method: str, answer: Answer) -> None:
    """Count how a call to `partner` ended.

    What a partner does is told by POSTs. A question that is not answered in time says nothing
    about them, nor does one that is; only one that did not even arrive does.
    """
    if _is_silence(answer):
        if method == "POST" or not answer.may_have_landed:
            _failed(partner)
    elif method == "POST" and answer.outcome is not Outcome.UNKNOWN:
        _answered(partner)  # busy, or a strange body, would prove neither


def down_since(partner: str) -> float | None:
    """When it was found to be down, in seconds since the epoch; None when it is not. One read."""
    since: float | None = cache.get(_down(partner))
    return since


def _is_silence(answer: Answer) -> bool:
    if answer.status_code is None:
        return answer.code in SILENCE
    return answer.status_code >= 500


def _answered(partner: str) -> None:
    # Mostly nothing had failed, and this is one question to the cache.
    if cache.delete(_failures(partner)) and cache.delete(_down(partner)):
        log.warning("partner answers again", extra={"partner": partner})


def _failed(partner: str) -> None:
    key = _failures(partner)
    cache.add(key, 0, timeout=WINDOW)
    try:
        failures = cache.incr(key)
    except ValueError:  # it ran out between the two
        return
    if failures is None or failures < FAILURES:  # None: there is no cache
        return
    cache.touch(key, timeout=WINDOW)
    if cache.add(_down(partner), time.time(), timeout=REST):
        log.error("partner is down", extra={"partner": partner, "failures": failures})
    else:
        cache.touch(_down(partner), timeout=REST)


def _failures(partner: str) -> str:
    return f"partner-failures:{partner}"


def _down(partner: str) -> str:
    return f"partner-down:{partner}"
