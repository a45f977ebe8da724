"""Letters about API keys: to all owners about each change, and before a key expires."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.access.key_letters import tell_expiring
from accounts.access.keys import revoke_key, rotate_key
from accounts.models import AccountManager, ApiKey, PersonLetter, PersonLetterKind
from accounts.seats.letters import send_letter
from accounts.tasks import tell_expiring_keys
from loyalty_portal.data.actor import Actor
from redemption.models import Letter
from tests.accounts.access.making import new_key
from tests.accounts.factories import SeatFactory
from tests.catalog.factories import ProductFactory
from tests.redemption.factories import paid

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> AccountManager:
    return SeatFactory.create(
        owner=True, company__name="Northwind", user__name="Ada", user__email="ada@n.example"
    )


def told() -> list[tuple[str, str]]:
    """To whom which change was told, in order; the letters are then gone."""
    rows = PersonLetter.objects.filter(kind=PersonLetterKind.KEY_NEWS).order_by("created_at", "to")
    found = [(letter.facts["change"], letter.to) for letter in rows]
    PersonLetter.objects.all().delete()
    return found


def ends_in(key: ApiKey, **span: float) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() + timedelta(**span))


def test_each_change_is_told_to_all_owners_and_to_the_address_of_the_key(
    ada: AccountManager, mailoutbox: list[Any]
) -> None:
    SeatFactory.create(owner=True, company=ada.company, user__email="bob@n.example")
    SeatFactory.create(owner=True, company=ada.company, user__inactive=True)
    SeatFactory.create(company=ada.company)
    by = Actor.in_seat(ada)
    made = new_key(ada.company, by=ada, name="ERP", notify_email="IT@n.example")
    new = rotate_key(key=made.key, by=by)
    revoke_key(key=new.key, reason="Found in a repository", by=by)
    for letter in PersonLetter.objects.order_by("created_at"):
        assert send_letter(letter.pk)
    text = "\n".join(mail.body for mail in mailoutbox)
    assert f"There is a new API key of Northwind, “ERP” ({made.key.shown})." in text
    assert f"was replaced by a new one ({new.key.shown})." in text
    assert f"({new.key.shown}) of Northwind was revoked." in text
    assert "Done by: Ada." in text
    assert "Reason: Found in a repository" in text
    assert mailoutbox[0].subject == "API key of Northwind"
    assert made.secret not in text + str(list(PersonLetter.objects.values()))
    everybody = ["ada@n.example", "bob@n.example", "it@n.example"]
    changes = ("made", "rotated", "revoked")
    assert told() == [(change, to) for change in changes for to in everybody]


def test_owners_are_told_once_each_when_thirty_seven_and_one_days_are_left(
    ada: AccountManager,
) -> None:
    key = new_key(ada.company, by=ada).key
    told()
    for days, is_told in (
        (31, False),
        (29, True),
        (8, False),
        (6.9, True),
        (2, False),
        (0.9, True),
    ):
        ends_in(key, days=days)
        assert tell_expiring() == ({ada.company.pk} if is_told else set())
        assert tell_expiring() == set()
        assert told() == ([("expires", ada.email)] if is_told else [])
    ends_in(key, days=-1)
    tell_expiring_keys()
    assert told() == []


def test_a_key_that_was_overlooked_for_weeks_is_told_of_once(ada: AccountManager) -> None:
    """As after the scheduler was away: one letter, not three at once."""
    key = new_key(ada.company, by=ada).key
    told()
    ends_in(key, hours=20)
    tell_expiring_keys()
    tell_expiring_keys()
    assert told() == [("expires", ada.email)]


def test_keys_that_were_replaced_revoked_or_made_for_a_short_time_are_not_told_of(
    ada: AccountManager,
) -> None:
    by = Actor.in_seat(ada)
    rotate_key(key=new_key(ada.company, by=ada).key, by=by)
    revoked = new_key(ada.company, by=ada).key
    revoke_key(key=revoked, reason="lost", by=by)
    ends_in(revoked, days=3)
    short = new_key(ada.company, by=ada, expires_at=timezone.now() + timedelta(days=10)).key
    told()
    tell_expiring_keys()
    assert told() == []
    ends_in(short, days=6)
    tell_expiring_keys()
    assert told() == [("expires", ada.email)]


def test_letters_about_the_orders_of_a_key_go_to_its_address_or_to_an_owner(
    ada: AccountManager,
) -> None:
    """Never to the address of the machine, at which nobody is."""
    book = ProductFactory.create(in_stock=9)
    with_address = new_key(ada.company, by=ada, notify_email="orders@n.example").key
    without = new_key(ada.company, by=ada).key
    SeatFactory.create(owner=True, company=ada.company)
    person = SeatFactory.create(company=ada.company)
    for seat, to in (
        (with_address.seat, "orders@n.example"),
        (without.seat, ada.email),
        (person, person.email),
    ):
        order = paid(seat, (book, 1))
        assert set(Letter.objects.filter(order=order).values_list("to", flat=True)) == {to}
