"""Tokens of people: which are taken, and a refresh token that works once."""

import base64
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any
from uuid import uuid4

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from accounts.access import app_views, bearer, tokens
from accounts.access.tokens import signing_keys
from accounts.models import AccountManager, PersonSession
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.configuration.logs import without_secret_paths
from loyalty_portal.configuration.tokens import new_key
from loyalty_portal.http.limits import Limit
from loyalty_portal.http.rates import Rate, take
from tests.accounts.access.signing_in import App, refreshed, signed_in
from tests.accounts.factories import SeatFactory
from tests.loyalty_portal.api.calls import Calls, code

pytestmark = pytest.mark.django_db
RACERS = 20


@pytest.fixture
def seat() -> AccountManager:
    made: AccountManager = SeatFactory.create(company__balance=9_000)
    return made


@pytest.fixture(autouse=True)
def _many_strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    # replaced: the limits of an address, from which these tests call very often
    monkeypatch.setattr(bearer, "BY_STRANGERS", Limit("all", most=10_000, seconds=60))


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    said: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return said


def signed(claims: dict[str, Any], *, key: Any = None, algorithm: str = "RS256") -> str:
    """A token of these claims, by our own key or another."""
    own = signing_keys()[0]
    return jwt.encode(claims, key or own.private, algorithm, headers={"kid": own.id})


def without_signature(claims: dict[str, Any], algorithm: str) -> str:
    head = {"alg": algorithm, "kid": signing_keys()[0].id}
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()) for each in (head, claims)]
    return b".".join(part.rstrip(b"=") for part in parts).decode() + "."


def with_public_key(claims: dict[str, Any]) -> str:
    """Signed by HS256 with our public key, which is no secret. PyJWT refuses to make one."""
    public = signing_keys()[0].public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    token = signed(claims, key="x" * 40, algorithm="HS256").rpartition(".")[0]
    made = jwt.get_algorithm_by_name("HS256").sign(token.encode(), public)
    return f"{token}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def test_tokens_say_whose_they_are_and_for_how_long(seat: AccountManager) -> None:
    app = signed_in(seat.user)
    access, refresh = claims_of(app.access), claims_of(app.refresh)
    for said, use, seconds in ((access, "access", 300), (refresh, "refresh", 14 * 86400)):
        assert (said["iss"], said["aud"]) == (settings.PORTAL_URL, "portal-api")
        assert (said["sub"], said["token_use"]) == (str(seat.user_id), use)
        assert said["exp"] - said["iat"] == seconds
    assert jwt.get_unverified_header(app.access)["alg"] == "RS256"
    row = PersonSession.objects.get()
    assert access["sid"] == refresh["sid"] == str(row.pk)
    assert row.session_key not in app.access + json.dumps(access)


def test_whatever_is_no_access_token_of_ours_is_refused(seat: AccountManager) -> None:
    app = signed_in(seat.user)
    good = claims_of(app.access)
    now = good["iat"]
    assert Calls(signed(good)).get("/me").status_code == 200
    wrong = {
        "alg none": without_signature(good, "none"),
        "alg None": without_signature(good, "None"),
        "HS256 with our public key": with_public_key(good),
        "another aud": signed({**good, "aud": "other-api"}),
        "another iss": signed({**good, "iss": "https://elsewhere.example"}),
        "a refresh token": app.refresh,
        "a clock 4 minutes off": signed({**good, "iat": now + 240, "exp": now + 540}),
        "over for 4 minutes": signed({**good, "iat": now - 540, "exp": now - 240}),
        "of another person": signed({**good, "sub": str(uuid4())}),
        "of another session": signed({**good, "sid": str(uuid4())}),
        "another signature": app.access[:-8] + "AAAAAAAA",
        "no kid": jwt.encode(good, signing_keys()[0].private, "RS256"),
        "cut": app.access[:60],
        "nonsense": "nonsense",
        "dots": "..",
        "deep": base64.urlsafe_b64encode(b"[" * 2900).decode() + ".e30.x",
        "long": "e" * 7000,
        "no ASCII": "tökén",
        "an unknown key": "lrp_live_" + "a" * 36,
        "spaces": "a b c",
    }
    for claim in ("iss", "aud", "sub", "sid", "jti", "iat", "exp", "token_use"):
        wrong[f"no {claim}"] = signed({key: said for key, said in good.items() if key != claim})
    for why, token in wrong.items():
        answer = Calls(token).get("/me")
        assert (answer.status_code, code(answer)) == (401, "unauthenticated"), why
        assert answer["WWW-Authenticate"] == 'Bearer error="invalid_token"', why
    assert app.calls.get("/me").status_code == 200
    with time_machine.travel(timezone.now() + timedelta(seconds=320), tick=False):
        assert app.calls.get("/me").status_code == 401
        assert app.next().calls.get("/me").status_code == 200


def test_an_old_key_still_verifies_and_a_removed_one_does_not(
    seat: AccountManager, settings: Any, tmp_path: Path
) -> None:
    old, new = tmp_path / "old.pem", tmp_path / "new.pem"
    old.write_bytes(new_key())
    new.write_bytes(new_key())
    settings.JWT_SIGNING_KEYS = [str(old)]
    before = signed_in(seat.user)
    settings.JWT_SIGNING_KEYS = [str(new), str(old)]
    assert before.calls.get("/me").status_code == 200
    after = before.next()
    kids = [jwt.get_unverified_header(app.access)["kid"] for app in (before, after)]
    assert kids == [key.id for key in reversed(signing_keys())]
    settings.JWT_SIGNING_KEYS = [str(new)]
    assert before.calls.get("/me").status_code == 401
    assert after.calls.get("/me").status_code == 200
    assert after.next().calls.get("/me").status_code == 200


def test_a_refresh_token_works_once_and_a_moment_later_for_the_same_successor(
    seat: AccountManager,
) -> None:
    first = signed_in(seat.user)
    start = timezone.now()
    with time_machine.travel(start + timedelta(days=13), tick=False):
        second = first.next()
        again = App(refreshed(first.refresh))
        assert again.refresh == second.refresh
        assert again.calls.get("/me").status_code == 200
    with time_machine.travel(start + timedelta(days=13, seconds=11), tick=False):
        stolen = refreshed(first.refresh)
        assert (stolen.status_code, code(stolen)) == (401, "unauthenticated")
        assert stolen["WWW-Authenticate"] == 'Bearer error="invalid_token"'
        for ended in (second, again):
            assert ended.calls.get("/me").status_code == 401
            assert refreshed(ended.refresh).status_code == 401
    told = TrailEntry.objects.get(kind=TrailKind.SESSION_ENDED)
    assert (told.facts["which"], told.key) == ("token used twice", str(seat.user_id))
    assert (told.by_id, told.place) == (None, "/api/auth/tokens/refresh")
    assert not PersonSession.objects.exists()
    assert not Session.objects.exists()


def test_a_token_from_before_the_last_one_is_not_taken_for_a_repetition(
    seat: AccountManager,
) -> None:
    first = signed_in(seat.user)
    third = first.next().next()
    assert code(refreshed(first.refresh)) == "unauthenticated"
    assert third.calls.get("/me").status_code == 401
    assert not PersonSession.objects.exists()


def test_a_session_lasts_as_long_as_its_last_refresh_token(seat: AccountManager) -> None:
    app, start = signed_in(seat.user), timezone.now()
    for day in (13, 26):
        with time_machine.travel(start + timedelta(days=day), tick=False):
            app = app.next()
            assert app.calls.get("/me").status_code == 200
    with time_machine.travel(start + timedelta(days=41), tick=False):
        assert refreshed(app.refresh).status_code == 401


def test_what_is_no_refresh_token_is_refused(seat: AccountManager) -> None:
    app = signed_in(seat.user)
    for wrong in (app.access, "nonsense", "", "a" * 5_000, "x\0y", {"a": 1}, None, 5):
        answer = refreshed(wrong)  # type: ignore[arg-type]
        expected = (
            (401, "unauthenticated") if answer.status_code == 401 else (400, "credentials_refused")
        )
        assert (answer.status_code, code(answer)) == expected, wrong
    assert app.next().calls.get("/me").status_code == 200


def test_refreshing_is_limited_by_address(
    seat: AccountManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Rate("refresh", most=30, burst=30) == app_views.REFRESHES
    app = signed_in(seat.user)
    answer = refreshed(app.refresh)
    assert answer["RateLimit-Policy"] == '"refresh";q=30;w=60'
    waits = refreshed("nonsense")
    while waits.status_code != 429:  # one more is allowed every two seconds, and a call may be slow
        while not take(app_views.REFRESHES, "127.0.0.1").refused:
            pass
        waits = refreshed("nonsense")
    assert code(waits) == "too_many_requests"
    assert int(waits["Retry-After"]) >= 1
    assert app.calls.get("/me").status_code == 200


def race(token: str) -> list[Any]:
    """So many refreshes of one token at the same moment, each with a connection of its own."""
    start = Barrier(RACERS)

    def refresh(_number: int) -> Any:
        try:
            start.wait()
            return refreshed(token)
        finally:
            connection.close()

    with ThreadPoolExecutor(RACERS) as clients:
        return list(clients.map(refresh, range(RACERS)))


@pytest.mark.django_db(transaction=True)
def test_twenty_refreshes_of_one_token_at_once_give_one_family(seat: AccountManager) -> None:
    answers = race(signed_in(seat.user).refresh)
    assert {answer.status_code for answer in answers} == {200}
    apps = [App(answer) for answer in answers]
    assert len({app.refresh for app in apps}) == 1
    assert PersonSession.objects.get().refresh_id is not None
    assert apps[0].next().calls.get("/me").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_there_are_many_families(
    seat: AccountManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    all_read = Barrier(RACERS, timeout=30)

    def not_held(claims: dict[str, Any]) -> PersonSession | None:
        row = tokens._rows(claims).first()
        try:
            all_read.wait()
        except BrokenBarrierError:  # pragma: no cover - a machine that is very slow
            return row
        return row

    first = signed_in(seat.user)
    # replaced: the lock of the session's row
    monkeypatch.setattr(tokens, "_held", not_held)
    assert len({App(answer).refresh for answer in race(first.refresh)}) > 1


def test_no_token_reaches_the_log(seat: AccountManager, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        app = signed_in(seat.user)
        app.calls.get("/orders/none")
        refreshed(app.refresh)
        refreshed("x" + app.refresh)
        app.auth("delete", "session")
    for secret in (app.access, app.refresh):
        assert secret not in caplog.text
        assert secret.rpartition(".")[2] not in caplog.text
    assert without_secret_paths(f"GET /api/v1/me?token={app.access} 401") == (
        "GET /api/v1/me?token=eyJ- 401"
    )
