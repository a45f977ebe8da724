"""Calls of people by token: for which company, and how each end works from the next call."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.access import sessions
from accounts.access.factors.factor_changes import remove_lost
from accounts.access.keys import revoke_key
from accounts.models import AccountManager, Company, Role, User
from accounts.seats.services import change_role, switch_off
from loyalty_portal.data.actor import Actor
from tests.accounts.access.making import new_key, owner_of
from tests.accounts.access.signing_in import App, signed_in
from tests.accounts.factories import PASSWORD, SeatFactory, UserFactory
from tests.accounts.second_factor import with_app
from tests.loyalty_portal.api.calls import Calls, code
from tests.support.daemons import Redis
from tests.support.redis_away import make_unavailable

pytestmark = pytest.mark.django_db
NEW = "a quite other one 9"


@pytest.fixture
def seat() -> AccountManager:
    made: AccountManager = SeatFactory.create(company__balance=9_000, approver=True)
    return made


def of(company: Company) -> dict[str, str]:
    return {"Portal-Company": str(company.pk)}


def test_a_person_with_several_companies_says_for_which(seat: AccountManager) -> None:
    second = SeatFactory.create(user=seat.user, viewer=True)
    app = signed_in(seat.user)
    answer = app.calls.get("/company")
    assert (answer.status_code, code(answer)) == (400, "company_required")
    assert code(app.calls.get("/members")) == "company_required"
    me = app.calls.get("/me").json()
    assert {each["id"] for each in me["companies"]} == {
        str(seat.company_id),
        str(second.company_id),
    }
    assert me["role"] is None
    for each in (seat, second):
        assert app.calls.get("/company", **of(each.company)).json()["id"] == str(each.company_id)
        assert app.calls.get("/me", **of(each.company)).json()["role"] == each.role
    assert "Portal-Company" in app.calls.get("/me")["Vary"]
    switch_off(seat=second, by=Actor.person(UserFactory.create(superuser=True)))
    assert app.calls.get("/company").json()["id"] == str(seat.company_id)


def test_a_company_of_others_is_answered_like_an_unknown_one(seat: AccountManager) -> None:
    other = SeatFactory.create()
    callers = [signed_in(seat.user).calls, Calls(new_key(seat.company))]
    for calls in callers:
        same = {"X-Request-Id": "the-same-one"}
        answers = [
            calls.get(path, **{"Portal-Company": str(company)}, **same)
            for path in ("/company", "/me")
            for company in (other.company_id, uuid4())
        ]
        assert {code(answer) for answer in answers} == {"no_company"}
        assert len({answer.content for answer in answers}) == 1
        assert calls.get("/company", **of(seat.company)).status_code == 200
        for wrong in ("", "x", "1", "\0"):
            answer = calls.get("/company", **{"Portal-Company": wrong})
            assert (answer.status_code, code(answer)) == (422, "invalid")
            assert answer.json()["errors"][0]["pointer"] == "/Portal-Company"


def signs_out(app: App, _seat: AccountManager) -> None:
    assert app.auth("delete", "session").status_code == 204


def changes_the_password(_app: App, seat: AccountManager) -> None:
    browser = Client()
    browser.post("/accounts/login/", {"login": seat.email, "password": PASSWORD})
    change = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert browser.post("/accounts/password/change/", change).status_code == 302


def goes(_app: App, seat: AccountManager) -> None:
    User.objects.filter(pk=seat.user_id).update(is_active=False)


def ends_it_in_the_list(_app: App, seat: AccountManager) -> None:
    row = sessions.open_sessions(seat.user).get()
    assert sessions.end_one(person=seat.user, session_id=row.pk)


def ends_all(_app: App, seat: AccountManager) -> None:
    sessions.end_all(seat.user)


def lost_the_factor(_app: App, seat: AccountManager) -> None:
    with_app(seat.user)
    by = Actor.person(UserFactory.create(superuser=True))
    remove_lost(person=seat.user, by=by, reason="A lost phone")


@pytest.mark.parametrize(
    "end",
    [signs_out, changes_the_password, goes, ends_it_in_the_list, ends_all, lost_the_factor],
)
def test_the_next_call_after_an_end_is_refused(
    end: Callable[[App, AccountManager], None], seat: AccountManager
) -> None:
    app = signed_in(seat.user)
    assert app.calls.get("/me").status_code == 200
    end(app, seat)
    answers: list[Any] = [
        app.calls.get("/me"),
        app.auth("get", "session"),
        app.auth("get", "sessions"),
    ]
    for answer in answers:
        assert (answer.status_code, code(answer)) == (401, "unauthenticated")
        assert answer["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_a_seat_that_is_off_and_a_role_that_is_less_count_from_the_next_call(
    seat: AccountManager,
) -> None:
    by = Actor.in_seat(owner_of(seat.company))
    app = signed_in(seat.user)
    assert app.calls.get("/approvals").status_code == 200
    change_role(seat=seat, role=Role.BUYER, by=by)
    assert code(app.calls.get("/approvals")) == "role_forbids"
    assert app.calls.get("/orders").status_code == 200
    switch_off(seat=seat, by=by)
    answer = app.calls.get("/orders")
    assert (answer.status_code, code(answer)) == (403, "no_company")
    assert app.calls.get("/me").json()["companies"] == []
    assert code(app.calls.get("/orders", **of(seat.company))) == "no_company"


def test_a_lower_role_of_a_keys_seat_and_its_end_count_from_the_next_call(
    seat: AccountManager,
) -> None:
    owner = owner_of(seat.company)
    by, made = Actor.in_seat(owner), new_key(seat.company, by=owner, role=Role.BUYER)
    calls = Calls(made)
    assert calls.get("/addresses").status_code == 200
    change_role(seat=made.key.seat, role=Role.VIEWER, by=by)
    assert code(calls.get("/addresses")) == "role_forbids"
    assert calls.get("/orders").status_code == 200
    revoke_key(key=made.key, reason="Lost", by=by)
    answer = calls.get("/orders")
    assert (answer.status_code, code(answer)) == (401, "unauthenticated")


def test_a_company_that_is_off_is_no_company_from_the_next_call(seat: AccountManager) -> None:
    app = signed_in(seat.user)
    Company.objects.filter(pk=seat.company_id).update(is_active=False)
    assert code(app.calls.get("/orders")) == "no_company"


def test_calls_are_counted_by_session_and_by_company(seat: AccountManager, settings: Any) -> None:
    settings.API_RATE_KEY = 1
    first, second = signed_in(seat.user), signed_in(seat.user)
    answer = first.calls.get("/me")
    assert answer["RateLimit-Policy"] == '"key";q=1;w=60, "company";q=1200;w=60'
    assert code(first.calls.get("/me")) == "too_many_requests"
    assert second.calls.get("/me").status_code == 200
    settings.API_RATE_KEY, settings.API_RATE_COMPANY = 600, 1
    colleague = signed_in(SeatFactory.create(company=seat.company).user)
    codes = [colleague.calls.get("/me").status_code, second.calls.get("/me").status_code]
    assert codes == [200, 429]


def test_a_person_reads_answers_in_their_own_language(seat: AccountManager) -> None:
    User.objects.filter(pk=seat.user_id).update(language="de")
    assert signed_in(seat.user).calls.get("/orders?colour=red")["Content-Language"] == "de"


def test_members_say_who_has_a_second_factor(seat: AccountManager) -> None:
    with_app(seat.user)
    owner = owner_of(seat.company)
    told = Calls(new_key(seat.company, by=owner, role=Role.OWNER)).get("/members").json()["data"]
    assert {each["email"]: each["second_factor"] for each in told} == {
        seat.email: True,
        owner.email: False,
    }


def test_a_call_by_token_asks_for_its_session_and_its_seats_and_no_more(
    seat: AccountManager,
) -> None:
    app = signed_in(seat.user)
    with CaptureQueriesContext(connection) as asked:
        assert app.calls.get("/me").status_code == 200
    tables = [re.findall(r'FROM "(\w+)"', query["sql"])[0] for query in asked.captured_queries]
    assert tables == ["accounts_personsession", "account_manager"]


def test_without_redis_people_sign_in_call_and_sign_out_all_the_same(
    seat: AccountManager, own_redis: Redis
) -> None:
    before = signed_in(seat.user)
    make_unavailable(own_redis, "stopped")
    assert before.next().auth("delete", "session").status_code == 204
    assert before.calls.get("/me").status_code == 401
    assert signed_in(seat.user).calls.get("/me").status_code == 200
