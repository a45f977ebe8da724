"""Sign-in and its limits while Redis is stopped, frozen, full or empty."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from typing import Any

import pytest
from django.contrib.sessions.backends.cached_db import KEY_PREFIX
from django.core.cache import cache
from django.db import connection
from django.test import Client

from accounts.access.sign_in import BY_STRANGERS, FROM_ADDRESS
from accounts.models import User
from loyalty_portal.http.sessions import KEPT_SECONDS
from tests.accounts.access.making import new_key
from tests.accounts.factories import PASSWORD, CompanyFactory, UserFactory
from tests.accounts.second_factor import SECOND_STEP, code_of, with_app
from tests.loyalty_portal.api.calls import Calls
from tests.support.daemons import Redis
from tests.support.redis_away import (
    WAYS,
    SilentServer,
    cache_at,
    forget_it_was_away,
    make_unavailable,
)

pytestmark = pytest.mark.django_db
DOOR = "/accounts/login/"
NEW = "a quite other one 9"


def signs_in(client: Client, email: str, password: str = PASSWORD) -> bool:
    answer = client.post(DOOR, {"login": email, "password": password})
    if answer.get("Location") == SECOND_STEP:
        code = code_of(User.objects.get(email=email))
        answer = client.post(SECOND_STEP, {"code": code})
    return answer.status_code == 302


@pytest.mark.parametrize("way", [*WAYS, "full"])
def test_people_sign_in_and_stay_signed_in(own_redis: Redis, way: str) -> None:
    before, after = map(with_app, UserFactory.create_batch(2, superuser=True))
    early, late = Client(), Client()
    assert signs_in(early, before.email)
    make_unavailable(own_redis, way)
    assert signs_in(late, after.email)
    for client in (early, late):
        assert client.get("/admin/").status_code == 200
    late.post("/accounts/logout/")
    assert late.get("/admin/").status_code == 302


@pytest.mark.parametrize("way", [*WAYS, "full"])
def test_passwords_are_reset_and_changed(own_redis: Redis, mailoutbox: list[Any], way: str) -> None:
    user = UserFactory.create()
    make_unavailable(own_redis, way)
    client = Client()
    asked = client.post("/accounts/password/reset/", {"email": user.email})
    assert asked["Location"] == "/accounts/password/reset/done/"
    link = next(word for word in mailoutbox[0].body.split() if "/password/reset/key/" in word)
    form = client.get(link, follow=True).redirect_chain[-1][0]
    done = client.post(form, {"password1": NEW, "password2": NEW})
    assert done["Location"] == "/accounts/password/reset/key/done/"
    assert signs_in(client, user.email, NEW)
    change = {"oldpassword": NEW, "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/password/change/", change).status_code == 302
    assert signs_in(Client(), user.email)


@pytest.mark.parametrize("way", [*WAYS, "full"])
def test_wrong_passwords_are_limited_all_the_same(own_redis: Redis, way: str) -> None:
    user = UserFactory.create()
    make_unavailable(own_redis, way)
    for _each in range(BY_STRANGERS.most):
        assert not signs_in(Client(), user.email, "wrong")
    assert not signs_in(Client(), user.email)
    for number in range(FROM_ADDRESS.most):
        signs_in(Client(), f"guess{number}@example.test", "wrong")
    assert not signs_in(Client(), UserFactory.create().email)


@pytest.mark.parametrize("way", [*WAYS, "full"])
def test_letters_are_limited_all_the_same(own_redis: Redis, way: str) -> None:
    """Also the limits that allauth counts itself, with its lock."""
    make_unavailable(own_redis, way)
    asked = {"email": UserFactory.create().email}
    forget_it_was_away()
    codes = [Client().post("/accounts/password/reset/", asked).status_code for _ in range(6)]
    assert codes == [302] * 5 + [429]


def test_one_that_fills_up_in_the_middle_goes_on_counting(own_redis: Redis) -> None:
    """A full Redis still answers reads of what it stored before."""
    user = UserFactory.create()
    assert not signs_in(Client(), user.email, "wrong")
    own_redis.fill()
    for number in range(FROM_ADDRESS.most):
        signs_in(Client(), f"guess{number}@example.test", "wrong")
    assert not signs_in(Client(), user.email)


def test_an_empty_redis_signs_nobody_out_and_keeps_nobody_out(own_redis: Redis) -> None:
    user = with_app(UserFactory.create(superuser=True))
    client = Client()
    assert signs_in(client, user.email)
    for _each in range(BY_STRANGERS.most):
        signs_in(Client(), user.email, "wrong")
    own_redis.flush()
    assert client.get("/admin/").status_code == 200
    assert signs_in(Client(), user.email)


def test_one_comes_back_and_both_old_and_new_people_sign_in(own_redis: Redis) -> None:
    """No lock taken while Redis was frozen keeps anybody out afterwards."""
    user = UserFactory.create()
    own_redis.pause()
    assert signs_in(Client(), user.email)
    own_redis.resume()
    forget_it_was_away()
    assert signs_in(Client(), user.email)
    assert cache.add("answers", 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS)
def test_one_that_goes_away_under_load_stops_neither_sign_ins_nor_calls(
    own_redis: Redis, settings: Any, way: str
) -> None:
    """Four clients go on without a pause while it goes away, and some turns longer."""
    settings.API_RATE_KEY = settings.API_RATE_COMPANY = 10**9
    people = UserFactory.create_batch(2)
    keys = [Calls(new_key(CompanyFactory.create())) for _each in range(2)]
    acts: list[Callable[[], bool]] = [
        *(lambda each=each: signs_in(Client(), each.email) for each in people),
        *(lambda each=each: each.get("/me").status_code == 200 for each in keys),
    ]
    all_at_work, is_away = Barrier(len(acts) + 1), Event()

    def go_on(act: Callable[[], bool]) -> list[bool]:
        try:
            done = [act()]
            all_at_work.wait()
            while not is_away.is_set():
                done.append(act())
            return done + [act() for _turn in range(5)]
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as clients:
        at_work = [clients.submit(go_on, act) for act in acts]
        all_at_work.wait()
        make_unavailable(own_redis, way)
        is_away.set()
        assert all(all(each.result()) for each in at_work)


def test_a_frozen_redis_costs_a_sign_in_one_wait(settings: Any) -> None:
    """A sign-in calls the cache a dozen times, but only one call waits for the timeout."""
    user = UserFactory.create()
    silent = SilentServer()
    with cache_at(settings, silent.url, patience=0.05):
        assert signs_in(Client(), user.email)
        assert silent.visits() == 1
    silent.close()


def test_what_redis_remembers_of_a_session_ends_within_a_minute() -> None:
    """A person who signs out while Redis is frozen stays signed out, although Redis has a copy."""
    client = Client()
    assert signs_in(client, UserFactory.create().email)
    key = f"{KEY_PREFIX}{client.session.session_key}"
    for _way in ("written", "read anew"):
        left: int = cache.ttl(key)  # type: ignore[attr-defined]
        assert 0 < left <= KEPT_SECONDS
        cache.delete(key)
        assert client.get("/").status_code in {200, 403}


def test_each_call_to_redis_waits_two_seconds_at_most(settings: Any) -> None:
    cache_waits = settings.CACHES["default"]["OPTIONS"]
    broker_waits = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    waits = [cache_waits["SOCKET_TIMEOUT"], cache_waits["SOCKET_CONNECT_TIMEOUT"]]
    waits += [broker_waits["socket_timeout"], broker_waits["socket_connect_timeout"]]
    waits.append(settings.REDIS_TIMEOUT)
    assert max(waits) <= 2
