"""Every method of Django's cache API while Redis is stopped, frozen or full."""

import inspect
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.cache import BaseCache, cache

from tests.support.daemons import Redis
from tests.support.redis_away import WAYS, forget_it_was_away, make_unavailable

# How each method is called, and what it answers when the key is missing and cannot be stored.
CALLS: dict[str, tuple[tuple[Any, ...], Any]] = {
    "add": (("key", 1), None),
    "clear": ((), None),
    "close": ((), None),
    "decr": (("key",), None),
    "decr_version": (("key",), None),
    "delete": (("key",), False),
    "delete_many": ((["key"],), None),
    "get": (("key", "default"), "default"),
    "get_many": ((["key"],), {}),
    "get_or_set": (("key", "default"), "default"),
    "has_key": (("key",), False),
    "incr": (("key",), None),
    "incr_version": (("key",), None),
    "set": (("key", 1), None),
    "set_many": (({"key": 1},), ["key"]),
    "touch": (("key",), False),
}
# Django's async forms of these read the key first, and raise ValueError for a missing one.
RAISES = {"aincr", "adecr", "aincr_version", "adecr_version"}
# Django's async form stores one by one and reports no failure.
ANSWERS: dict[str, Any] = {"aset_many": []}
ASK_NOBODY = {"get_backend_timeout", "make_and_validate_key", "make_key", "validate_key"}
METHODS = sorted(
    name
    for name, _method in inspect.getmembers(BaseCache, callable)
    if not name.startswith("_") and name not in ASK_NOBODY
)


def answer_of(name: str) -> Any:
    """What the method returns, or ValueError when it raises that."""
    method = getattr(cache, name)
    arguments, _answer = CALLS[sync_name(name)]
    try:
        if inspect.iscoroutinefunction(method):
            return async_to_sync(method)(*arguments)
        return method(*arguments)
    except ValueError:
        return ValueError


def sync_name(name: str) -> str:
    """The method that `name` is, or is the async form of."""
    return name if name in CALLS else name.removeprefix("a")


def test_each_method_is_known_to_this_test() -> None:
    assert {sync_name(name) for name in METHODS} == set(CALLS)


@pytest.mark.parametrize("way", WAYS)
def test_each_method_answers_as_if_the_key_were_missing(own_redis: Redis, way: str) -> None:
    make_unavailable(own_redis, way)
    told = {name: answer_of(name) for name in METHODS}
    expected = {name: CALLS[sync_name(name)][1] for name in METHODS}
    assert told == expected | dict.fromkeys(RAISES, ValueError) | ANSWERS
    assert "key" not in cache


def test_what_is_told_of_many_keys_is_not_shared_with_others(own_redis: Redis) -> None:
    own_redis.kill()
    cache.get_many(["key"])["key"] = "of one caller"
    assert cache.get_many(["key"]) == {}


def test_a_full_redis_refuses_writes_without_an_error(own_redis: Redis) -> None:
    cache.set("before", 5)
    own_redis.fill()
    for name in METHODS:
        if sync_name(name) != "clear":
            answer_of(name)
    assert cache.get("before") == 5


# --- Limits: this process counts instead ---------------------------------------------------------


@pytest.mark.parametrize("change", ["incr", "decr", "touch", "has_key"])
def test_a_limit_is_kept_in_this_process_by_each_method(own_redis: Redis, change: str) -> None:
    own_redis.kill()
    assert cache.add("limit:of-a-test", 4, timeout=60)
    told = getattr(cache, change)("limit:of-a-test")
    assert told == {"incr": 5, "decr": 3}.get(change, True)
    assert "limit:of-a-test" in cache
    cache.clear()
    assert not cache.touch("limit:of-a-test")


def test_many_limits_are_kept_in_this_process(own_redis: Redis) -> None:
    own_redis.kill()
    assert cache.set_many({"limit:one": 1, "limit:two": 2, "other": 3}) == ["other"]
    everything = ["limit:one", "limit:two", "other"]
    assert cache.get_many(everything) == {"limit:one": 1, "limit:two": 2}
    cache.delete_many(["limit:one", "other"])
    assert cache.get_many(everything) == {"limit:two": 2}


def test_a_limit_of_this_process_is_touched_once_redis_is_back(own_redis: Redis) -> None:
    """Redis does not have the key; the count of this process goes on."""
    own_redis.kill()
    cache.add("limit:of-a-test", 4, timeout=60)
    own_redis.start()
    forget_it_was_away()
    assert cache.touch("limit:of-a-test", timeout=60)
    assert cache.get("limit:of-a-test") == 4

    assert cache.set_many({"one": 1, "two": 2, "limit:x": 3}) == []
    assert cache.get_many(["one", "two", "three", "limit:x"]) == {"one": 1, "two": 2, "limit:x": 3}
    assert cache.touch("one", timeout=60)
    assert not cache.touch("three")
    assert cache.has_key("one") is True
    assert cache.incr("one") == 2
    assert cache.decr("one") == 1
    assert cache.delete("one") is True
    assert cache.delete("one") is False
    assert cache.incr_version("two") == 2
    assert cache.get("two", version=2) == 2
    with pytest.raises(ValueError, match="one"):
        cache.incr("one")
