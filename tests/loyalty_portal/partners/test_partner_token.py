"""Which process fetches an access token, seen from inside one of them."""

import threading
import time
from collections.abc import Iterator

import pytest
import tenacity
from django.core.cache import cache

from loyalty_portal.partners import breaker, client, wire
from loyalty_portal.partners.token import Grant, TokenError, TokenStore

KEY = ("id", "secret")


class Partner:
    """Gives tokens of so many seconds, and counts them."""

    def __init__(self, seconds: float = 60.0) -> None:
        self.seconds = seconds
        self.given = 0

    def fetch(self, _ends_at: float) -> Grant:
        self.given += 1
        return Grant(f"token {self.given}", time.time() + self.seconds)


@pytest.fixture
def partner() -> Partner:
    return Partner()


@pytest.fixture
def busy() -> Iterator[TokenStore]:
    """A store in which another thread is fetching a token at this moment."""
    asked, told = threading.Event(), threading.Event()

    def fetch(_ends_at: float) -> Grant:
        asked.set()
        told.wait()
        return Grant("late", time.time() + 60)

    store = TokenStore("busy", KEY, fetch)
    thread = threading.Thread(target=store.token, kwargs={"ends_at": time.monotonic() + 60})
    thread.start()
    asked.wait()
    yield store
    told.set()
    thread.join()


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def test_a_call_that_has_no_time_left_does_not_wait_for_another_threads_fetch(
    busy: TokenStore,
) -> None:
    with pytest.raises(TokenError, match="another thread"):
        busy.token(ends_at=soon(0.0))


def test_a_process_that_died_while_it_fetched_holds_the_others_up_for_half_their_time(
    partner: Partner,
) -> None:
    store = TokenStore("shop", KEY, partner.fetch)
    cache.set(f"{store._key}:lock", 1, timeout=600)  # the dead one's
    assert store.token(ends_at=soon(0.5)) == "token 1"
    assert cache.get(f"{store._key}:lock") == 1  # it is not ours to take away


def test_what_another_process_fetched_meanwhile_is_used(partner: Partner) -> None:
    theirs = TokenStore("shop", KEY, partner.fetch)

    class Ours(TokenStore):
        """After its first look into the cache, the other process has fetched."""

        def _shared(self, rejected: str) -> Grant | None:
            found = super()._shared(rejected)
            if not partner.given:
                theirs._fetched(soon())
            return found

    ours = Ours("shop", KEY, partner.fetch)
    cache.set(f"{ours._key}:lock", 1, timeout=600)  # the other one's
    assert ours.token(ends_at=soon(60.0)) == "token 1"
    assert partner.given == 1


def test_a_token_that_is_over_when_it_comes_is_kept_for_nobody(partner: Partner) -> None:
    partner.seconds = -1.0
    store = TokenStore("shop", KEY, partner.fetch)
    assert store.token(ends_at=soon()) == "token 1"
    assert cache.get(store._key) is None
    assert store.token(ends_at=soon()) == "token 2"


def test_a_day_that_is_in_no_calendar_is_no_day() -> None:
    with pytest.raises(wire.MalformedError, match="no such day"):
        wire.day({"expires_on": "2026-02-30"}, "expires_on")


def test_a_count_that_ended_between_its_two_calls_is_no_failure() -> None:
    assert breaker._count("ended", 0) == 0


def test_a_call_that_was_never_tried_has_no_answer() -> None:
    never = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    with pytest.raises(RuntimeError, match="before the first attempt"):
        client._last_answer(never)
