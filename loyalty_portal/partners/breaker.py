"""Whether a partner is clearly down, as all processes together find (ADR 0011).

It stops no call: debits, credits and deliveries that were promised are asked about as ever, and
each of their answers is the probe that closes the breaker again. It only tells who is about to
promise something new. The cache holds it; without the cache it is closed.

The same is told of a partner that does not take our credentials (ADR 0010): it answers, and does
nothing. There a question counts as much as a deed, for both show the same key.
"""

import logging
import time

from django.core.cache import cache

from loyalty_portal.partners.answers import Answer, Outcome

log = logging.getLogger(__name__)

FAILURES = 5  # calls in a row, of any process
WINDOW = 60  # seconds in which they fall, and for which they are remembered then
REST = 15  # seconds after the last failure until somebody may try again
REJECTIONS = 3  # calls in a row that were turned away for our credentials
REMEMBERED = 3600  # seconds since the last of them; polls are a quarter of an hour apart
SILENCE = frozenset({"connection", "timeout", "deadline", "token"})


def hear(partner: str, method: str, answer: Answer) -> None:
    """Count how a call to `partner` ended.

    What a partner does is told by POSTs. A question that is not answered in time says nothing
    about them, nor does one that is; only one that did not even arrive does.
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
        _answered(partner)  # busy, or a strange body, would prove neither


def down_since(partner: str) -> float | None:
    """When it was found to be down, in seconds since the epoch; None when it is not. One read."""
    since: float | None = cache.get(_down(partner))
    return since


def rejects_us(partner: str) -> bool:
    """Whether it turned our credentials away several times in a row. One read."""
    return bool(cache.get(_rejections(partner), 0) >= REJECTIONS)


def _is_silence(answer: Answer) -> bool:
    if answer.status_code is None:
        return answer.code in SILENCE
    return answer.status_code >= 500


def _answered(partner: str) -> None:
    # Mostly nothing had failed, and this is one question to the cache.
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
    """One more; how many in `seconds` since the first. 0 without a cache."""
    cache.add(key, 0, timeout=seconds)
    try:
        return cache.incr(key) or 0
    except ValueError:  # it ran out between the two
        return 0


def _failures(partner: str) -> str:
    return f"partner-failures:{partner}"


def _rejections(partner: str) -> str:
    return f"partner-rejects:{partner}"


def _down(partner: str) -> str:
    return f"partner-down:{partner}"
