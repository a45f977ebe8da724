"""The second step to sign in: who needs it, what it takes, and what each change brings."""

import re
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from accounts.access.factors.codes import TRIES
from accounts.access.factors.factor_changes import remove_lost
from accounts.models import Company, PersonLetter, User
from accounts.seats.letters import compose
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.sessions import SECOND_FACTOR
from tests.accounts.factories import PASSWORD, SeatFactory, UserFactory
from tests.accounts.second_factor import (
    DOOR,
    SECOND_STEP,
    SECRET,
    code_of,
    long_ago,
    sign_in,
    with_app,
)
from tests.support.staff import browser, staff

pytestmark = pytest.mark.django_db
TRUST = "/accounts/2fa/trust/"
FACTORS = "/accounts/2fa/"


def steps() -> list[dict[str, Any]]:
    entries = TrailEntry.objects.filter(kind=TrailKind.SECOND_FACTOR).order_by("id")
    return [entry.facts for entry in entries]


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def with_password(client: Client, person: User) -> Any:
    return client.post(DOOR, {"login": person.email, "password": PASSWORD})


def secret_on(page: Any) -> str:
    found = re.search(r'id="app-secret">([A-Z2-7]+)<', page.content.decode())
    assert found
    return found[1]


def set_up_app(client: Client, person: User) -> Any:
    """Add an app on the pages, and keep its secret as the tests' own."""
    from allauth.mfa.totp.internal.auth import (  # noqa: PLC0415
        format_hotp_value,
        hotp_value,
        yield_hotp_counters_from_time,
    )

    secret = secret_on(client.get(f"{FACTORS}totp/activate/"))
    step = next(iter(yield_hotp_counters_from_time()))
    code = format_hotp_value(hotp_value(secret, step))
    return client.post(f"{FACTORS}totp/activate/", {"code": code})


# --- Who needs it --------------------------------------------------------------------------


def test_staff_without_one_are_led_to_set_one_up_and_then_work() -> None:
    person, client = UserFactory.create(superuser=True), Client()
    assert with_password(client, person).status_code == 302
    assert client.get("/admin/")["Location"] == FACTORS
    script = client.get("/admin/", headers={"HX-Request": "true"})
    assert (script.status_code, script["HX-Redirect"]) == (401, FACTORS)
    page = client.get(FACTORS).content.decode()
    assert "Staff of the programme sign in with a second step" in page
    # They signed in a moment ago, so nothing is asked again.
    done = set_up_app(client, person)
    assert done["Location"] == f"{FACTORS}recovery-codes/"
    codes = re.findall(r"^\d{8}$", _plain(client.get(done["Location"])), re.MULTILINE)
    assert len(codes) == 10
    again = client.get(done["Location"]).content.decode()
    assert "They were shown already" in again
    assert codes[0] not in again
    assert client.get("/admin/").status_code == 200
    assert [step["step"] for step in steps()] == ["app_added"]


def _plain(page: Any) -> str:
    return re.sub(r"<[^>]+>", "\n", page.content.decode())


def test_a_seat_of_a_company_that_requires_one_sees_nothing_of_it_before() -> None:
    seat = SeatFactory.create(
        owner=True, company__name="Careful Ltd", company__balance=9_000,
        company__require_second_factor=True,
    )  # fmt: skip
    client = Client()
    with_password(client, seat.user)
    for path in ("/", "/catalog/", "/orders/", "/cart/"):
        assert client.get(path)["Location"] == FACTORS
    assert client.get("/balance/", headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    page = client.get(FACTORS).content.decode()
    assert "Careful Ltd lets nobody act for it without one." in page
    assert "9,000" not in page
    set_up_app(client, seat.user)
    assert client.get("/").status_code == 200
    assert "9,000" in client.get("/").content.decode()


def test_a_company_that_begins_to_require_one_closes_open_sessions_until_then() -> None:
    seat, client = SeatFactory.create(company__balance=9_000), Client()
    with_password(client, seat.user)
    assert client.get("/").status_code == 200
    Company.objects.update(require_second_factor=True)
    assert client.get("/")["Location"] == FACTORS


def test_other_people_need_none() -> None:
    seat, client = SeatFactory.create(company__balance=9_000), Client()
    with_password(client, seat.user)
    assert client.get("/").status_code == 200


# --- Signing in ----------------------------------------------------------------------------


def test_a_password_alone_signs_nobody_in_who_has_an_app() -> None:
    person, client = with_app(UserFactory.create(superuser=True)), Client()
    assert with_password(client, person)["Location"] == SECOND_STEP
    assert not is_in(client)
    assert client.get("/admin/")["Location"].startswith("/admin/login/")
    wrong = client.post(SECOND_STEP, {"code": "000000"})
    assert "This code is wrong" in wrong.content.decode()
    assert steps() == [{"step": "refused", "factor": "code"}]
    client.post(SECOND_STEP, {"code": code_of(person)})
    assert client.get("/admin/").status_code == 200
    entry = TrailEntry.objects.get(kind=TrailKind.SIGN_IN)
    assert entry.facts == {"second_factor": "totp"}


def test_a_code_is_used_once_also_by_another_browser() -> None:
    person = with_app(UserFactory.create())
    code = code_of(person)
    first, second = Client(), Client()
    for client in (first, second):
        with_password(client, person)
        client.post(SECOND_STEP, {"code": code})
    first.post(TRUST, {"action": "skip"})
    second.post(TRUST, {"action": "skip"})
    assert is_in(first)
    assert not is_in(second)


def test_wrong_codes_are_limited_and_a_right_one_is_not_taken_then() -> None:
    person, client = with_app(UserFactory.create()), Client()
    with_password(client, person)
    for _try in range(TRIES.most):
        client.post(SECOND_STEP, {"code": "000000"})
    answer = client.post(SECOND_STEP, {"code": code_of(person)})
    assert "Too many wrong codes" in answer.content.decode()
    assert not is_in(client)


def test_a_recovery_code_signs_in_once() -> None:
    person, client = UserFactory.create(superuser=True), Client()
    with_password(client, person)
    codes = re.findall(
        r"^\d{8}$", _plain(client.get(set_up_app(client, person)["Location"])), re.MULTILINE
    )
    for expected in (True, False):
        other = Client()
        with_password(other, person)
        other.post(SECOND_STEP, {"code": codes[0]})
        assert is_in(other) == expected


@pytest.mark.parametrize(
    "credential",
    ["", "[]", "{}", '"x"', "null", "[" * 9_000, '{"response": []}', '{"response": {"userHandle": 7}}',
     '{"id": "\\u0000", "response": {}}', "{" + " " * 20_001],
)  # fmt: skip
def test_what_is_no_passkey_is_refused_in_a_sentence(credential: str) -> None:
    person, client = with_app(UserFactory.create()), Client()
    alone = client.post(f"{FACTORS}webauthn/login/", {"credential": credential})
    assert alone["Location"] == DOOR
    with_password(client, person)
    page = client.post(SECOND_STEP, {"credential": credential}).content.decode()
    assert "passkey" in page
    assert not is_in(client)


# --- Trusted browsers ----------------------------------------------------------------------


def test_a_trusted_browser_asks_for_the_password_only_until_the_factors_change() -> None:
    seat = SeatFactory.create(company__balance=1, company__require_second_factor=True)
    person, client = with_app(seat.user), Client()
    with_password(client, person)
    assert client.post(SECOND_STEP, {"code": code_of(person)})["Location"] == TRUST
    client.post(TRUST, {"action": "trust"})
    assert client.cookies["mfa_trusted"]["max-age"] == 14 * 24 * 3600
    client.post("/accounts/logout/")
    with_password(client, person)
    assert client.get("/").status_code == 200
    assert TrailEntry.objects.filter(facts={"second_factor": "trusted"}).exists()
    client.post("/accounts/logout/")
    Authenticator.objects.all().delete()
    with_app(person)
    assert with_password(client, person)["Location"] == SECOND_STEP


def test_no_browser_is_trusted_to_be_staffs_also_one_that_was_before() -> None:
    person, client = with_app(UserFactory.create()), Client()
    with_password(client, person)
    client.post(SECOND_STEP, {"code": code_of(person)})
    client.post(TRUST, {"action": "trust"})
    client.post("/accounts/logout/")
    User.objects.update(is_staff=True)
    assert with_password(client, person)["Location"] == SECOND_STEP
    assert client.post(SECOND_STEP, {"code": code_of(person)})["Location"] != TRUST
    assert is_in(client)


# --- Changes -------------------------------------------------------------------------------


def test_whoever_has_asked_for_a_new_password_can_set_one_up() -> None:
    """allauth notes an address then, as not verified; nobody could verify it here."""
    packer, client = staff("fulfillment"), Client()
    client.post("/accounts/password/reset/", {"email": packer.email})
    assert with_password(client, packer).status_code == 302
    assert set_up_app(client, packer).status_code == 302
    assert Authenticator.objects.filter(user=packer, type=Authenticator.Type.TOTP).exists()


def test_whoever_finds_a_browser_open_changes_nothing() -> None:
    """A session without a fresh sign-in is asked for the password before each change."""
    person = with_app(UserFactory.create())
    passkey = Authenticator.objects.create(
        user=person, type="webauthn", data={"name": "Key", "credential": {}}
    )
    client = browser(person)
    long_ago(client)
    removal = f"webauthn/keys/{passkey.pk}/remove/"
    for path in (
        *("totp/activate/", "totp/deactivate/", "webauthn/add/", removal),
        "recovery-codes/generate/",
    ):
        answer = client.post(f"{FACTORS}{path}")
        assert "reauthenticate" in answer["Location"] or answer["Location"].endswith("deactivate/")
    assert Authenticator.objects.count() == 2
    passkey.delete()
    confirm = client.post(f"{FACTORS}totp/deactivate/")["Location"]
    client.post(confirm, {"password": PASSWORD})
    assert not Authenticator.objects.exists()


def test_each_change_is_told_by_letter_and_ends_the_other_sessions() -> None:
    person = SeatFactory.create(company__balance=1).user
    elsewhere, client = Client(), Client()
    for each in (elsewhere, client):
        with_password(each, person)
    set_up_app(client, person)
    assert client.get("/").status_code == 200
    assert elsewhere.get("/")["Location"].startswith(DOOR)
    letter = PersonLetter.objects.get()
    told = compose(letter)
    assert (letter.to, told.subject) == (person.email, "How you sign in has changed")
    assert "An authenticator app was added" in told.body
    client.post(f"{FACTORS}recovery-codes/generate/")
    client.post(f"{FACTORS}totp/deactivate/")
    assert [step["step"] for step in steps()] == ["app_added", "codes_made", "app_removed"]
    assert PersonLetter.objects.count() == 3
    assert not Authenticator.objects.exists()  # recovery codes stand in for nothing now
    assert SECOND_FACTOR not in client.session
    assert client.get("/").status_code == 200


def test_staff_who_remove_their_last_one_are_led_to_set_one_up_again() -> None:
    person, client = with_app(UserFactory.create(superuser=True)), Client()
    sign_in(client, person, PASSWORD)
    client.post(f"{FACTORS}totp/deactivate/")
    assert client.get("/admin/")["Location"] == FACTORS


def test_nobody_sees_or_changes_factors_of_others() -> None:
    mine, theirs = with_app(UserFactory.create()), UserFactory.create(superuser=True)
    passkey = Authenticator.objects.create(
        user=mine, type="webauthn", data={"name": "Key", "credential": {}}
    )
    client = Client()
    with_password(client, theirs)
    assert client.get(f"{FACTORS}webauthn/keys/{passkey.pk}/remove/").status_code == 404
    assert browser(theirs).get("/admin/mfa/authenticator/").status_code == 404


def test_secrets_are_stored_encrypted() -> None:
    person = with_app(UserFactory.create())
    stored = Authenticator.objects.get(user=person).data["secret"]
    assert stored.startswith("v2.")
    assert SECRET not in stored


# --- Lost factors --------------------------------------------------------------------------


def test_support_removes_a_lost_one_with_a_reason_and_the_person_is_told() -> None:
    person, old = with_app(SeatFactory.create(company__balance=1).user), Client()
    sign_in(old, person, PASSWORD)
    page, client = (
        reverse("admin:accounts_user_factors", args=[person.pk]),
        browser(staff("support")),
    )
    assert "Make sure by telephone" in client.get(page).content.decode()
    assert client.post(page, {"reason": ""}).status_code == 422
    assert client.post(page, {"reason": "The phone is broken"}).status_code == 303
    assert not Authenticator.objects.exists()
    assert old.get("/")["Location"].startswith(DOOR)
    told = compose(PersonLetter.objects.get()).body
    assert "Staff of the programme did this" in told
    assert "The phone is broken" in told
    last = steps()[-1]
    assert last == {"step": "lost", "reason": "The phone is broken", "removed": ["totp"]}
    again = client.post(page, {"reason": "Once more"})
    assert "has no second step" in again.content.decode()


def test_nobody_removes_that_of_staff_without_managing_staff_nor_their_own() -> None:
    person, support = with_app(staff("finance")), staff("support")
    page = reverse("admin:accounts_user_factors", args=[person.pk])
    assert browser(support).post(page, {"reason": "Lost"}).status_code == 422
    with_app(support)
    own = reverse("admin:accounts_user_factors", args=[support.pk])
    assert browser(support).post(own, {"reason": "Lost"}).status_code == 422
    assert Authenticator.objects.count() == 2
    assert browser(staff("warehouse")).get(page).status_code == 403
    remove_lost(person=person, by=Actor.person(staff("administrator")), reason="Lost")
    assert Authenticator.objects.count() == 1
