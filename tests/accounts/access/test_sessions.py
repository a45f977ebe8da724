"""The list of a person's sessions, and how each end of one works at once."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.access.sessions import forget_ended
from accounts.models import AccountManager, PersonSession, User
from accounts.seats.services import switch_off
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from tests.accounts.factories import PASSWORD, SeatFactory, UserFactory
from tests.support.daemons import Redis
from tests.support.redis_away import WAYS, make_unavailable

pytestmark = pytest.mark.django_db
DOOR = "/accounts/login/"
PAGE = "/accounts/sessions/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
NEW = "a quite other one 9"


@pytest.fixture
def seat() -> AccountManager:
    made: AccountManager = SeatFactory.create(company__balance=9_000)
    return made


def signed_in(person: User, agent: str = FIREFOX) -> Client:
    client = Client(headers={"User-Agent": agent})
    client.post(DOOR, {"login": person.email, "password": PASSWORD})
    assert is_in(client)
    return client


def is_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def row_of(client: Client) -> PersonSession:
    return PersonSession.objects.get(session_key=client.session.session_key)


def text(answer: Any) -> str:
    return answer.content.decode()


def test_people_see_their_sessions_and_end_one(seat: AccountManager) -> None:
    here, phone = signed_in(seat.user), signed_in(seat.user, IPHONE)
    signed_in(SeatFactory.create(company__balance=1).user)  # of somebody else
    page = text(here.get(PAGE))
    assert page.count("Firefox, Linux") == 2  # in its row and on its button
    assert "Safari, iPhone" in page
    assert page.count("This one") == 1
    here.post(f"{PAGE}{row_of(phone).pk}/end/")
    assert is_in(here)
    assert phone.get("/")["Location"].startswith(DOOR)
    assert "Safari, iPhone" not in text(here.get(PAGE))
    assert TrailEntry.objects.get(kind=TrailKind.SESSION_ENDED).facts == {"which": "one"}
    here.post(f"{PAGE}{row_of(here).pk}/end/")
    assert not is_in(here)


def test_nobody_ends_a_session_of_somebody_else(seat: AccountManager) -> None:
    mine, theirs = signed_in(seat.user), signed_in(SeatFactory.create(company__balance=1).user)
    mine.post(f"{PAGE}{row_of(theirs).pk}/end/")
    assert is_in(theirs)


@pytest.mark.parametrize("way", [None, *WAYS])
def test_ending_all_the_others_ends_them_at_once(
    seat: AccountManager, own_redis: Redis, way: str | None
) -> None:
    here, others = signed_in(seat.user), [signed_in(seat.user) for _each in range(3)]
    if way:
        make_unavailable(own_redis, way)
    here.post(f"{PAGE}end-others/")
    assert is_in(here)
    assert not any(map(is_in, others))
    assert text(here.get(PAGE)).count("This one") == 1
    assert "End the session" in text(here.get(PAGE))


def test_a_new_password_ends_the_others_and_this_one_stays_in_the_list(
    seat: AccountManager,
) -> None:
    here, other = signed_in(seat.user), signed_in(seat.user)
    change = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    here.post("/accounts/password/change/", change)
    assert is_in(here)
    assert not is_in(other)
    assert text(here.get(PAGE)).count("This one") == 1
    assert text(here.get(PAGE)).count("End the session") == 1


def test_a_sign_out_a_seat_and_a_person_switched_off_count_from_the_next_request(
    seat: AccountManager,
) -> None:
    client = signed_in(seat.user)
    stolen = Client()
    stolen.cookies["sessionid"] = client.cookies["sessionid"].value
    client.post("/accounts/logout/")
    assert not is_in(stolen)
    client = signed_in(seat.user)
    switch_off(seat=seat, by=Actor.person(UserFactory.create(superuser=True)))
    assert client.get("/").status_code == 403
    User.objects.filter(pk=seat.user_id).update(is_active=False)
    assert client.get("/")["Location"].startswith(DOOR)


def test_use_is_written_down_once_in_five_minutes_and_costs_nothing_else(
    seat: AccountManager,
) -> None:
    client = signed_in(seat.user)
    first = row_of(client).last_seen_at
    with CaptureQueriesContext(connection) as asked:
        client.get("/orders/")
    assert "personsession" not in str([query["sql"] for query in asked.captured_queries])
    with time_machine.travel(timezone.now() + timedelta(minutes=6), tick=False):
        client.get("/orders/")
        seen = row_of(client).last_seen_at
        assert seen - first >= timedelta(minutes=5)
        client.get("/orders/")
        assert row_of(client).last_seen_at == seen


def test_what_was_written_about_sessions_that_are_over_is_deleted(seat: AccountManager) -> None:
    client, over = signed_in(seat.user), signed_in(seat.user)
    over.post("/accounts/logout/")
    assert forget_ended() == 1
    assert PersonSession.objects.get() == row_of(client)
