"""API keys: what a key is, who may make, rotate and revoke it, and when it is refused."""

import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.forms import model_to_dict
from django.test import Client
from django.utils import timezone

from accounts.access.keys import (
    KeyRefusedError,
    NoSuchKeyError,
    is_well_formed,
    key_shown_as,
    make_key,
    new_secret,
    revoke_key,
    rotate_key,
    verify,
)
from accounts.models import AccountManager, ApiKey, Company, PersonLetter, Role, Scope, User
from accounts.permissions import may_change_person, may_send_reset
from accounts.seats import services as seats
from accounts.seats.services import SeatRefusedError, change_role, give_seat, switch_off
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import SYSTEM, Actor
from tests.accounts.access.making import new_key, owner_of, terms
from tests.accounts.factories import PASSWORD, CompanyFactory, SeatFactory, UserFactory
from tests.redemption.saga.test_races import while_somebody
from tests.support.staff import BACKEND, staff

pytestmark = pytest.mark.django_db
HERE = "192.0.2.7"


@pytest.fixture
def ada() -> AccountManager:
    """The owner of a company."""
    return SeatFactory.create(owner=True, company__name="Northwind", user__name="Ada")


@pytest.fixture
def company(ada: AccountManager) -> Company:
    return ada.company


def is_refused(secret: str, address: str = HERE) -> bool:
    try:
        verify(secret, address=address)
    except NoSuchKeyError:
        return True
    return False


def history(key: Any) -> list[dict[str, Any]]:
    return list(key.changes.values())


def test_a_key_is_of_the_documented_shape_and_a_mistyped_one_is_refused_without_a_query(
    company: Company, django_assert_num_queries: Any, settings: Any
) -> None:
    secret = new_key(company).secret
    assert re.fullmatch(r"lrp_(live|test)_[0-9A-Za-z]{36}", secret)
    assert (len(secret), secret[:9]) == (45, "lrp_live_")
    wrong = [
        secret[:-1] + ("A" if secret[-1] != "A" else "B"),
        secret[:12] + ("A" if secret[12] != "A" else "B") + secret[13:],
        secret.replace("live", "test"),
        f"{secret}\n",
        secret[:-1],
        "",
        "lrp_live_" + "ä" * 36,
    ]
    with django_assert_num_queries(0):
        assert all(is_refused(text) for text in wrong)
    settings.API_KEY_ENVIRONMENT = "test"
    with django_assert_num_queries(0):
        assert is_refused(secret)
    assert is_well_formed(new_secret())
    assert new_secret().startswith("lrp_test_")


def test_a_key_acts_through_a_seat_of_its_own_with_one_query(
    company: Company, django_assert_num_queries: Any
) -> None:
    made = new_key(company, name="  ERP  of\nours ", role=Role.BUYER)
    verify(made.secret, address=HERE)
    with django_assert_num_queries(1):
        key = verify(made.secret, address=HERE)
        assert (key.seat.company, key.seat.role) == (company, Role.BUYER)
        assert (key.name, key.seat.user.name) == ("ERP of ours", "ERP of ours")
        assert Actor.in_seat(key.seat).is_machine
    assert key.seat.user.seats.count() == 1
    assert not key.seat.user.has_usable_password()
    assert key.scopes == Scope.values
    year = timezone.now() + timedelta(days=365)
    assert abs(key.expires_at - year) < timedelta(minutes=1)


def test_the_key_itself_is_stored_nowhere(company: Company) -> None:
    made = new_key(company)
    kept = [str(model_to_dict(made.key)), str(list(ApiKey.objects.values()))]
    kept += [str(list(history(made.key))), repr(made)]
    kept += [str(list(model.objects.values())) for model in (TrailEntry, PersonLetter, User)]
    random = made.secret[13:-4]
    assert all(random not in text and made.secret not in text for text in kept)
    assert made.key.shown == f"{made.secret[:13]}…{made.secret[-4:]}"
    assert "secret_hash" not in history(made.key)[0]


def test_its_next_call_is_refused_once_the_key_its_seat_or_its_company_is_off(
    company: Company, ada: AccountManager
) -> None:
    def revoked(key: ApiKey) -> None:
        revoke_key(key=key, reason="lost", by=Actor.in_seat(ada))

    def expired(key: ApiKey) -> None:
        ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())

    def seat_off(key: ApiKey) -> None:
        switch_off(seat=key.seat, by=Actor.in_seat(ada))

    def person_off(key: ApiKey) -> None:
        User.objects.filter(pk=key.seat.user_id).update(is_active=False)

    ways: list[Callable[[ApiKey], None]] = [revoked, expired, seat_off, person_off]
    for end in ways:
        made = new_key(company, by=ada)
        assert not is_refused(made.secret)
        end(made.key)
        assert is_refused(made.secret), end.__name__
    last = new_key(company, by=ada)
    Company.objects.filter(pk=company.pk).update(is_active=False)
    assert is_refused(last.secret)


def test_a_key_is_used_from_its_networks_only(company: Company) -> None:
    networks = ["192.0.2.0/24", "2001:db8::7", "198.51.100.9"]
    made = new_key(company, allowed_networks=networks)
    assert made.key.allowed_networks == ["192.0.2.0/24", "2001:db8::7/128", "198.51.100.9/32"]
    for allowed in (HERE, "2001:db8::7", "198.51.100.9"):
        assert not is_refused(made.secret, allowed)
    for other in ("192.0.3.1", "2001:db8::8", "198.51.100.8", "unknown"):
        assert is_refused(made.secret, other)
    assert not is_refused(new_key(company).secret, "unknown")


def test_the_last_use_is_written_at_most_once_a_minute(
    company: Company, django_assert_num_queries: Any
) -> None:
    made = new_key(company)
    verify(made.secret, address=HERE)
    first = ApiKey.objects.get(pk=made.key.pk)
    assert (first.last_used_address, first.last_used_at is not None) == (HERE, True)
    with django_assert_num_queries(1):
        verify(made.secret, address="192.0.2.8")
    assert ApiKey.objects.get(pk=made.key.pk).last_used_address == HERE
    a_minute_ago = timezone.now() - timedelta(seconds=61)
    ApiKey.objects.filter(pk=made.key.pk).update(last_used_at=a_minute_ago)
    verify(made.secret, address="192.0.2.8")
    assert ApiKey.objects.get(pk=made.key.pk).last_used_address == "192.0.2.8"
    assert [row["pgh_label"] for row in history(made.key)] == ["insert"]


def test_a_rotated_key_and_its_successor_are_valid_together_for_the_overlap(
    company: Company, ada: AccountManager
) -> None:
    bob = SeatFactory.create(owner=True, company=company)
    old = new_key(company, by=ada, allowed_networks=["192.0.2.0/24"], notify_email="it@n.example")
    new = rotate_key(key=old.key, by=Actor.in_seat(bob))
    assert not is_refused(old.secret)
    assert not is_refused(new.secret)
    assert new.key.seat == old.key.seat
    kept = ("name", "scopes", "allowed_networks", "notify_email")
    assert [getattr(new.key, name) for name in kept] == [getattr(old.key, name) for name in kept]
    assert (new.key.created_by, new.key.replaces) == (bob.user, old.key)
    day = timezone.now() + timedelta(hours=24)
    assert abs(old.key.expires_at - day) < timedelta(minutes=1)
    with pytest.raises(KeyRefusedError, match="was rotated already"):
        rotate_key(key=old.key, by=Actor.in_seat(ada))
    newest = rotate_key(key=new.key, by=Actor.in_seat(ada), overlap=timedelta(0))
    assert is_refused(new.secret)
    assert not is_refused(newest.secret)
    for overlap in (timedelta(days=7, seconds=1), timedelta(seconds=-1)):
        with pytest.raises(KeyRefusedError, match="7 days at most"):
            rotate_key(key=newest.key, by=Actor.in_seat(ada), overlap=overlap)


def test_rotating_prolongs_no_key_and_its_successor_lives_as_long_as_it_did(
    company: Company, ada: AccountManager
) -> None:
    month = timezone.now() + timedelta(days=30)
    key = new_key(company, by=ada, expires_at=month).key
    soon = timezone.now() + timedelta(hours=1)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=soon, created_at=soon - timedelta(days=30))
    new = rotate_key(key=key, by=Actor.in_seat(ada)).key
    assert ApiKey.objects.get(pk=key.pk).expires_at == soon
    assert abs(new.expires_at - month) < timedelta(minutes=1)


def test_a_company_has_twenty_live_keys_at_most(company: Company, ada: AccountManager) -> None:
    made = [new_key(company, by=ada) for _each in range(20)]
    with pytest.raises(KeyRefusedError, match="20 live keys"):
        new_key(company, by=ada)
    with pytest.raises(KeyRefusedError, match="20 live keys"):
        rotate_key(key=made[0].key, by=Actor.in_seat(ada))
    assert not is_refused(made[0].secret)
    rotate_key(key=made[0].key, by=Actor.in_seat(ada), overlap=timedelta(0))
    revoke_key(key=made[1].key, reason="not needed", by=Actor.in_seat(ada))
    new_key(company, by=ada)
    assert not is_refused(new_key(CompanyFactory.create()).secret)


@pytest.mark.django_db(transaction=True)
def test_keys_that_are_made_at_once_are_counted_one_after_another() -> None:
    company = nineteen_keys()
    refused = pytest.raises(KeyRefusedError, match="20 live keys")
    with while_somebody(lambda: new_key(company)), refused:
        new_key(company)
    assert ApiKey.objects.live().filter(seat__company=company).count() == 20


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_of_the_company_there_would_be_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: the first one's transaction ends only after the second one counted."""
    company = nineteen_keys()
    # replaced: the lock is the guard that this control switches off
    monkeypatch.setattr(seats, "_lock", lambda _company_id: None)
    rows = Company.objects.filter(pk=company.pk)
    with while_somebody(lambda: (new_key(company), rows.update(name="Locked at last"))):
        new_key(company)
        rows.update(name="The second waits until the first has ended")
    assert ApiKey.objects.live().filter(seat__company=company).count() == 21


def nineteen_keys() -> Company:
    company = CompanyFactory.create()
    owner_of(company)
    for _each in range(19):
        new_key(company)
    return company


def test_only_owners_make_and_rotate_keys_of_their_company(
    company: Company, ada: AccountManager
) -> None:
    made = new_key(company, by=ada)
    others = [SeatFactory.create(company=company, role=role) for role in Role.values[1:]]
    others += [SeatFactory.create(owner=True), new_key(company, by=ada, role=Role.OWNER).key.seat]
    actors = [Actor.in_seat(seat) for seat in others]
    actors += [Actor.person(staff("administrator")), Actor.person(staff("support")), SYSTEM]
    actors += [Actor.person(UserFactory.create(superuser=True))]
    for by in actors:
        with pytest.raises(KeyRefusedError, match="no permission"):
            make_key(company=company, terms=terms(), by=by)
        with pytest.raises(KeyRefusedError, match="no permission"):
            rotate_key(key=made.key, by=by)
    gone = Actor.in_seat(ada)
    SeatFactory.create(owner=True, company=company)
    AccountManager.objects.filter(pk=ada.pk).update(is_active=False)
    for act in (
        lambda: make_key(company=company, terms=terms(), by=gone),
        lambda: revoke_key(key=made.key, reason="late", by=gone),
    ):
        with pytest.raises(KeyRefusedError, match="no permission"):
            act()


def test_owners_and_support_revoke_keys_and_nobody_else(
    company: Company, ada: AccountManager
) -> None:
    made = new_key(company, by=ada)
    others = [
        SeatFactory.create(company=company, role=Role.APPROVER),
        SeatFactory.create(owner=True),
    ]
    for by in [*(Actor.in_seat(seat) for seat in others), Actor.person(staff("finance"))]:
        with pytest.raises(KeyRefusedError, match="no permission"):
            revoke_key(key=made.key, reason="because", by=by)
    with pytest.raises(KeyRefusedError, match="Give the reason"):
        revoke_key(key=made.key, reason=" \u200b", by=Actor.in_seat(ada))
    support = staff("support")
    revoke_key(key=made.key, reason="found in a repository", by=Actor.person(support))
    assert is_refused(made.secret)
    kept = ApiKey.objects.get(pk=made.key.pk)
    assert (kept.revoked_by, kept.revoked_why) == (support, "found in a repository")
    with pytest.raises(KeyRefusedError, match="revoked already"):
        revoke_key(key=made.key, reason="again", by=Actor.in_seat(ada))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": " \u200b"}, "a name of up to 100"),
        ({"name": "x" * 101}, "a name of up to 100"),
        ({"role": "admin"}, "no such role"),
        ({"scopes": []}, "Choose what the key may do"),
        ({"scopes": ["orders:read", "orders:delete"]}, "Choose what the key may do"),
        ({"allowed_networks": ["192.0.2.0/33"]}, "Write each network as"),
        ({"allowed_networks": ["192.0.2.1"] * 51}, "50 networks"),
        ({"notify_email": "nobody"}, "valid e-mail"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "in the future"),
        ({"expires_at": timezone.now() + timedelta(days=731)}, "two years at the latest"),
    ],
)
def test_terms_that_cannot_be_are_refused_with_a_sentence(
    changes: dict[str, Any], told: str, company: Company
) -> None:
    with pytest.raises(KeyRefusedError, match=told):
        new_key(company, **changes)
    assert not ApiKey.objects.exists()
    assert not User.objects.filter(is_machine=True).exists()


def test_a_company_that_is_off_gets_no_key(company: Company, ada: AccountManager) -> None:
    Company.objects.filter(pk=company.pk).update(is_active=False)
    with pytest.raises(KeyRefusedError):
        new_key(company, by=ada)


def test_a_machine_never_signs_in_and_nobody_gives_it_a_password_or_another_seat(
    company: Company,
) -> None:
    machine = new_key(company).key.seat.user
    boss = Actor.person(UserFactory.create(superuser=True))
    assert not may_send_reset(boss, machine)
    assert not may_change_person(boss, machine)
    with pytest.raises(SeatRefusedError):
        give_seat(company=CompanyFactory.create(), user=machine, role=Role.BUYER, by=boss)
    machine.set_password(PASSWORD)
    machine.save()
    client = Client()
    answer = client.post("/accounts/login/", {"login": machine.email, "password": PASSWORD})
    assert answer.status_code != 302
    client.force_login(machine, backend=BACKEND)
    assert client.get("/")["Location"].startswith("/accounts/login/")
    for more in ({"is_staff": True}, {"is_superuser": True}):
        with pytest.raises(IntegrityError, match="machine_is_no_staff"), transaction.atomic():
            User.objects.filter(pk=machine.pk).update(**more)


def test_the_key_of_an_owners_role_is_no_owner(company: Company, ada: AccountManager) -> None:
    """It does not stand in for the last owner, and gets no letters."""
    key = new_key(company, by=ada, role=Role.OWNER).key
    PersonLetter.objects.all().delete()
    with pytest.raises(SeatRefusedError, match="last owner"):
        change_role(seat=ada, role=Role.BUYER, by=Actor.in_seat(ada))
    change_role(seat=key.seat, role=Role.VIEWER, by=Actor.in_seat(ada))
    assert [letter.to for letter in PersonLetter.objects.all()] == [ada.email]


def test_the_trail_tells_of_each_key_and_holds_nothing_personal(
    company: Company, ada: AccountManager
) -> None:
    made = new_key(company, by=ada, role=Role.BUYER, scopes=["orders:read"], notify_email="a@b.de")
    new = rotate_key(key=made.key, by=Actor.in_seat(ada))
    revoke_key(key=new.key, reason="Kim has left", by=Actor.in_seat(ada))
    entries = TrailEntry.objects.filter(kind=TrailKind.KEY_CHANGED).order_by("id")
    assert [entry.facts["what"] for entry in entries] == ["made", "rotated", "revoked"]
    assert {entry.by for entry in entries} == {ada.user}
    assert entries[0].facts["scopes"] == ["orders:read"]
    assert entries[1].facts["replaces"] == made.key.shown
    assert all("Kim" not in str(entry.facts) and "@" not in str(entry.facts) for entry in entries)


def test_the_command_revokes_the_key_that_is_shown_so(company: Company) -> None:
    made = [new_key(company, name=f"Key {number}") for number in range(3)]
    out = StringIO()
    call_command("revoke_key", made[0].key.shown, "--reason", "leaked", stdout=out)
    assert f"{made[0].key.shown} of Northwind is revoked" in out.getvalue()
    call_command("revoke_key", made[1].key.shown.replace("…", "..."), "--reason", "leaked")
    call_command("revoke_key", made[2].secret, "--reason", "leaked")
    assert all(is_refused(each.secret) for each in made)
    assert made[2].secret not in str(list(TrailEntry.objects.values()))
    for shown in (new_secret(), "lrp_live_AAAA…BBBB", "%"):
        with pytest.raises(CommandError, match="no such key"):
            call_command("revoke_key", shown, "--reason", "leaked")
    with pytest.raises(CommandError, match="revoked already"):
        call_command("revoke_key", made[0].key.shown, "--reason", "leaked")
    ApiKey.objects.update(shown_first="lrp_live_AAAA", shown_last="BBBB")
    with pytest.raises(KeyRefusedError, match="More than one"):
        key_shown_as("lrp_live_AAAA…BBBB")
