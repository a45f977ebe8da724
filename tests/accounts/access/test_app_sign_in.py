"""Signing in over the API: the steps, limits and records of the page, and only what is offered."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.conf import settings
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.access import app_views
from accounts.access.factors import codes
from accounts.access.sign_in import BY_STRANGERS
from accounts.models import AccountManager, PersonSession, Role, User
from loyalty_portal.audit.models import TrailEntry, TrailKind
from tests.accounts.access.making import new_key
from tests.accounts.access.signing_in import APP, AUTH, App, auth, signed_in, tried
from tests.accounts.factories import PASSWORD, SeatFactory, UserFactory
from tests.accounts.second_factor import code_of, with_app
from tests.loyalty_portal.api.calls import Calls, code

pytestmark = pytest.mark.django_db
NEW, WRONG = "a quite other one 9", "not the one"
OFFERED = {
    ("login", "POST"),
    ("2fa/authenticate", "POST"),
    ("2fa/reauthenticate", "POST"),
    ("tokens/refresh", "POST"),
    ("session", "DELETE, GET, HEAD"),
    ("sessions", "GET, HEAD"),
    ("reauthenticate", "POST"),
    ("password/request", "POST"),
    ("password/reset", "POST"),
}


@pytest.fixture
def seat() -> AccountManager:
    made: AccountManager = SeatFactory.create(company__balance=9_000)
    return made


def waiting(answer: Any) -> dict[str, str]:
    """The header with which a sign-in goes on."""
    assert (answer.status_code, code(answer)) == (401, "second_step_required")
    return {"X-Session-Token": answer.json()["meta"]["session_token"]}


def test_a_person_signs_in_by_password_and_calls_by_the_token(seat: AccountManager) -> None:
    answer = tried(seat.user)
    assert answer.json()["meta"]["expires_in"] == 300
    assert "session_token" not in answer.json()["meta"]
    assert not answer.cookies
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Request-Id"]
    assert "RateLimit" in answer
    app = App(answer)
    me = app.calls.get("/me").json()
    assert (me["kind"], me["email"], me["role"]) == ("person", seat.email, "buyer")
    assert (me["id"], me["key"]) == (str(seat.user_id), None)
    assert me["companies"] == [
        {"id": str(seat.company_id), "name": seat.company.name, "role": "buyer"}
    ]
    told = TrailEntry.objects.get(kind=TrailKind.SIGN_IN)
    assert (told.by_id, told.place, told.facts) == (
        seat.user_id, f"{AUTH}/login", {"request_id": answer["X-Request-Id"]},
    )  # fmt: skip
    seat.user.refresh_from_db()
    assert seat.user.last_login
    twice = app.auth("post", "login", {"email": seat.email, "password": PASSWORD})
    assert (twice.status_code, code(twice)) == (409, "already_signed_in")


def test_the_second_step_is_asked_for_and_its_token_opens_nothing_else(
    seat: AccountManager,
) -> None:
    with_app(seat.user)
    first = tried(seat.user)
    going_on = waiting(first)
    assert first["WWW-Authenticate"] == "Bearer"
    flows = {flow["id"] for flow in first.json()["data"]["flows"]}
    assert flows == {"login", "mfa_authenticate"}
    token = going_on["X-Session-Token"]
    assert Calls(token).get("/me").status_code == 401
    browser = Client()
    browser.cookies["sessionid"] = token
    assert browser.get("/").status_code == 302
    wrong = auth("post", "2fa/authenticate", {"code": "000000"}, **going_on)
    assert (wrong.status_code, code(wrong)) == (400, "credentials_refused")
    assert [each["pointer"] for each in wrong.json()["errors"]] == ["/code"]
    for nobody in ({}, {"X-Session-Token": "nonsense"}, {"X-Session-Token": token[:-4] + "AAAA"}):
        answer = auth("post", "2fa/authenticate", {"code": code_of(seat.user)}, **nobody)
        assert (answer.status_code, code(answer)) == (401, "unauthenticated")
    right = {"code": code_of(seat.user)}
    app = App(auth("post", "2fa/authenticate", right, **going_on))
    assert app.calls.get("/me").status_code == 200
    assert PersonSession.objects.get().proved_by == "totp"
    again = auth("post", "2fa/authenticate", right, **going_on)
    assert (again.status_code, code(again)) == (401, "unauthenticated")
    steps = TrailEntry.objects.filter(kind=TrailKind.SECOND_FACTOR)
    assert [step.facts["step"] for step in steps] == ["refused"]
    told = TrailEntry.objects.get(kind=TrailKind.SIGN_IN).facts
    assert told["second_factor"] == "totp"


def test_too_many_wrong_codes_are_told_as_a_limit_and_no_mistake(seat: AccountManager) -> None:
    with_app(seat.user)
    going_on = waiting(tried(seat.user))
    for _each in range(codes.TRIES.most):
        wrong = auth("post", "2fa/authenticate", {"code": "000000"}, **going_on)
        assert (wrong.status_code, code(wrong)) == (400, "credentials_refused")
    late = auth("post", "2fa/authenticate", {"code": code_of(seat.user)}, **going_on)
    assert (late.status_code, code(late)) == (429, "too_many_requests")
    assert "Too many wrong codes" in late.json()["detail"]
    assert int(late["Retry-After"]) > 0


def test_who_needs_a_second_factor_does_nothing_by_token_without_one(seat: AccountManager) -> None:
    app = signed_in(seat.user)
    assert app.calls.get("/orders").status_code == 200
    seat.company.require_second_factor = True
    seat.company.save()
    for path in ("/orders", "/me"):
        answer = app.calls.get(path)
        assert (answer.status_code, code(answer)) == (403, "second_factor_required")
    with_app(seat.user)
    assert signed_in(seat.user).calls.get("/company").json()["require_second_factor"] is True
    staff = UserFactory.create(staff=True)
    assert code(signed_in(staff).calls.get("/me")) == "second_factor_required"
    with_app(staff)
    proved = signed_in(staff)
    assert proved.calls.get("/me").json()["companies"] == []
    assert code(proved.calls.get("/orders")) == "no_company"


def test_wrong_passwords_are_limited_and_recorded_as_on_the_page(seat: AccountManager) -> None:
    for _each in range(BY_STRANGERS.most):
        answer = tried(seat.user, WRONG)
        assert (answer.status_code, code(answer)) == (400, "credentials_refused")
    locked = tried(seat.user)
    assert (locked.status_code, code(locked)) == (429, "too_many_requests")
    assert locked["Retry-After"] == "300"
    assert TrailEntry.objects.filter(kind=TrailKind.SIGN_IN_FAILED).count() == BY_STRANGERS.most
    page = Client().post("/accounts/login/", {"login": seat.email, "password": PASSWORD})
    assert page.status_code == 200  # the page counts with it
    other = SeatFactory.create(company=seat.company)
    assert tried(other.user).status_code == 200
    unknown, known = (
        auth(
            "post",
            "login",
            {"email": email, "password": WRONG},
            **{"X-Request-Id": "same-one"},
        )
        for email in ("nobody@nowhere.example", other.email)
    )
    assert unknown.content == known.content


def test_machines_and_people_who_are_off_do_not_sign_in(seat: AccountManager) -> None:
    machine = new_key(seat.company).key.seat.user
    machine.set_password(PASSWORD)
    machine.save()
    assert tried(machine).status_code == 400
    User.objects.filter(pk=seat.user_id).update(is_active=False)
    assert tried(seat.user).status_code in {400, 401}
    assert not PersonSession.objects.exists()


def test_only_what_is_offered_is_there_and_nothing_is_a_page() -> None:
    for path in (
        "signup", "account/email", "account/phone", "account/password/change", "email/verify",
        "provider/signup", "provider/token", "provider/redirect", "code/request", "code/confirm",
        "phone/verify", "2fa/trust", "webauthn/login", "webauthn/signup", "2fa/webauthn", "config",
        "account/authenticators/totp", "app/v1/auth/login", "browser/v1/auth/login",
        "app/v1/account/email", "app/v1/auth/signup", "openapi.json", "",
    ):  # fmt: skip
        answer = auth("post", path, {})
        assert (answer.status_code, code(answer)) == (404, "not_found"), path
    for path, methods in OFFERED:
        allow = auth("options", path)
        assert (allow.status_code, allow["Allow"]) == (
            204, ", ".join(sorted([*methods.split(", "), "OPTIONS"])),
        )  # fmt: skip
        refused = auth("put", path, {})
        assert (refused.status_code, code(refused)) == (405, "method_not_allowed")
        assert refused["Allow"] == allow["Allow"]


@pytest.mark.parametrize(
    ("body", "status", "named"),
    [
        ("{", 400, "malformed"),
        ("[1]", 400, "malformed"),
        ("5", 400, "malformed"),
        ('{"email": NaN}', 400, "malformed"),
        ('{"email": "a", "email": "b"}', 400, "malformed"),
        ('{"email": "\\ud800"}', 400, "malformed"),
        ("[" * 40 + "]" * 40, 400, "malformed"),
        ("[" * 50_000, 400, "malformed"),
        (b"\xff\xfe".decode("latin-1"), 400, "malformed"),
        ("{}", 400, "credentials_refused"),
        ('{"email": "a\\u0000@b.example", "password": "x"}', 400, "credentials_refused"),
        ('{"email": {"a": 1}, "password": ["x"]}', 400, "credentials_refused"),
        ('{"email": "%s@b.example", "password": "x"}' % ("a" * 70_000), 400, "credentials_refused"),
        ('{"email": "%s"}' % ("a" * 2_100_000), 413, "too_large"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_body_is_a_clear_refusal(body: str, status: int, named: str) -> None:
    answer = auth("post", "login", body)
    assert (answer.status_code, code(answer)) == (status, named)


def test_another_kind_of_body_and_what_nobody_expected_are_problems(
    seat: AccountManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(raise_request_exception=False)
    form = client.post(f"{AUTH}/login", {"email": seat.email, "password": PASSWORD})
    assert (form.status_code, code(form)) == (415, "unsupported_media_type")

    def broken(*_given: Any) -> Any:
        raise RuntimeError("the secret reason")

    # replaced: something of ours that is broken
    monkeypatch.setattr(app_views, "refreshed", broken)
    answer = auth("post", "tokens/refresh", {"refresh_token": "x"})
    assert (answer.status_code, code(answer)) == (500, "internal")
    assert "secret" not in answer.content.decode()


def test_a_cookie_of_a_browser_opens_nothing_here(seat: AccountManager) -> None:
    browser = Client(raise_request_exception=False)
    browser.force_login(seat.user)
    assert browser.get("/").status_code == 200
    for path in ("session", "sessions"):
        answer = browser.get(f"{AUTH}/{path}")
        assert (answer.status_code, code(answer)) == (401, "unauthenticated")
        assert answer["WWW-Authenticate"] == "Bearer"
    key = browser.cookies["sessionid"].value
    assert auth("get", "session", **{"X-Session-Token": key}).status_code == 401


def test_people_see_and_end_sessions_of_apps_on_the_page_and_by_token(
    seat: AccountManager,
) -> None:
    app, phone = signed_in(seat.user), signed_in(seat.user)
    stranger = signed_in(SeatFactory.create(company__balance=1).user)
    browser = Client()
    browser.post("/accounts/login/", {"login": seat.email, "password": PASSWORD})
    page = browser.get("/accounts/sessions/").content.decode()
    assert page.count("An app, by token") == 2
    told = app.auth("get", "sessions").json()["data"]
    assert sorted(each["kind"] for each in told) == ["app", "app", "browser"]
    assert {each["address"] for each in told} == {"127.0.0.1"}
    [own] = [each for each in told if each["is_current"]]
    of_stranger = PersonSession.objects.get(user=stranger_of(stranger))
    assert app.auth("delete", f"sessions/{of_stranger.pk}").status_code == 404
    assert stranger.calls.get("/me").status_code == 200
    other = (
        PersonSession.objects.filter(user=seat.user).exclude(pk=own["id"]).exclude(refresh_id=None)
    )
    browser.post(reverse("session_end", args=[other.get().pk]))
    assert phone.calls.get("/me").status_code == 401
    assert phone.auth("get", "session").status_code == 401
    of_browser = next(each["id"] for each in told if each["kind"] == "browser")
    assert app.auth("delete", f"sessions/{of_browser}").status_code == 204
    assert browser.get("/").status_code == 302
    assert app.auth("delete", f"sessions/{own['id']}").status_code == 204
    assert app.calls.get("/me").status_code == 401


def stranger_of(app: App) -> UUID:
    return UUID(app.calls.get("/me").json()["id"])


def test_a_forgotten_password_is_set_anew_by_the_letters_key(seat: AccountManager) -> None:
    app = signed_in(seat.user)
    asked = [
        auth("post", "password/request", {"email": email}) for email in (seat.email, "no@b.example")
    ]
    assert [answer.status_code for answer in asked] == [200, 200]
    [letter] = [each for each in mail.outbox if each.to == [seat.email]]
    found = re.search(
        rf"{settings.PORTAL_URL}/accounts/password/reset/key/([^/\s]+)/", str(letter.body)
    )
    assert found
    easy = auth("post", "password/reset", {"key": found[1], "password": "123"})
    assert (easy.status_code, code(easy)) == (400, "credentials_refused")
    assert {each["pointer"] for each in easy.json()["errors"]} == {"/password"}
    assert app.calls.get("/me").status_code == 200
    done = auth("post", "password/reset", {"key": found[1], "password": NEW})
    assert (done.status_code, done.content) == (204, b"")
    assert app.calls.get("/me").status_code == 401
    assert signed_in(seat.user, NEW).calls.get("/me").status_code == 200
    used = auth("post", "password/reset", {"key": found[1], "password": PASSWORD})
    assert (used.status_code, code(used)) == (400, "credentials_refused")


def test_endpoints_change_only_a_moment_after_a_confirmation(seat: AccountManager) -> None:
    AccountManager.objects.filter(pk=seat.pk).update(role=Role.OWNER)
    with_app(seat.user)
    app = signed_in(seat.user)
    entered = {"url": "https://n.example/new", "events": ["order.placed"]}

    def add(key: str) -> Any:
        return app.calls.call("post", "/webhook-endpoints", entered, **{"Idempotency-Key": key})

    assert add("one").status_code == 201
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        app = app.next()
        late = add("two")
        assert (late.status_code, code(late)) == (403, "confirmation_required")
        assert app.calls.get("/webhook-endpoints").status_code == 200
        wrong = app.auth("post", "reauthenticate", {"password": WRONG})
        assert (wrong.status_code, code(wrong)) == (400, "credentials_refused")
        assert app.auth("post", "reauthenticate", {"password": PASSWORD}).status_code == 200
        assert code(add("two")) == "endpoint_refused"  # the same address again
    with time_machine.travel(timezone.now() + timedelta(minutes=12)):
        app = app.next()
        assert code(add("three")) == "confirmation_required"
        by_code = {"code": code_of(seat.user)}
        assert app.auth("post", "2fa/reauthenticate", by_code).status_code == 200
        assert code(add("three")) == "endpoint_refused"
    assert auth("post", "reauthenticate", {"password": PASSWORD}).status_code == 401


def test_where_an_app_came_from_is_written_down(seat: AccountManager) -> None:
    app = signed_in(seat.user)
    row = PersonSession.objects.get()
    assert (row.browser, row.address, row.has_tokens) == (APP, "127.0.0.1", True)
    later = timezone.now() + timedelta(minutes=4)
    with time_machine.travel(later, tick=False):
        app.next()
    row.refresh_from_db()
    assert row.last_seen_at == later
