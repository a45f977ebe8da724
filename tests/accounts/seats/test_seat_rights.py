"""Seats: who may give, change and switch them, the last owner, and the letters to all owners."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import AccountManager, PersonLetter, Role, User
from accounts.seats import services
from accounts.seats.letters import send_letter
from accounts.seats.services import (
    SeatRefusedError,
    change_role,
    give_seat,
    switch_off,
    switch_on,
)
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.data.actor import Actor
from tests.accounts.factories import CompanyFactory, SeatFactory, UserFactory
from tests.redemption.saga.test_races import while_somebody
from tests.support.staff import staff

pytestmark = pytest.mark.django_db


def as_owner(seat: AccountManager) -> Actor:
    return Actor.in_seat(seat)


def told() -> list[tuple[str, str]]:
    """Who was written to, with what changed, in order."""
    rows = PersonLetter.objects.order_by("created_at", "to")
    return [(letter.to, letter.facts["change"]) for letter in rows]


def sent(mailoutbox: list[Any]) -> str:
    """The text of the letters that are due, sent now."""
    for key in PersonLetter.objects.due().values_list("pk", flat=True):
        assert send_letter(key)
    return "\n".join(letter.body for letter in mailoutbox)


def test_an_owner_changes_roles_and_switches_seats_and_all_owners_are_told(
    mailoutbox: list[Any],
) -> None:
    ada = SeatFactory.create(owner=True, user__email="ada@n.example", user__name="Ada")
    bob = SeatFactory.create(owner=True, company=ada.company, user__email="bob@n.example")
    SeatFactory.create(owner=True, company=ada.company, user__inactive=True)
    kim = SeatFactory.create(company=ada.company, user__name="Kim", user__email="kim@n.example")
    change_role(seat=kim, role=Role.APPROVER, by=as_owner(ada))
    switch_off(seat=kim, by=as_owner(bob), reason="Has left")
    switch_on(seat=kim, by=as_owner(ada))
    kim.refresh_from_db()
    assert (kim.role, kim.is_active) == (Role.APPROVER, True)
    everybody = ["ada@n.example", "bob@n.example"]
    assert told() == [(to, change) for change in ("role", "off", "on") for to in everybody]
    text = sent(mailoutbox)
    assert "Kim (kim@n.example) has another role in" in text
    assert "Approver. Before, it was: Buyer." in text
    assert "Done by: Ada." in text
    assert "Reason: Has left" in text
    assert "belongs to the staff" not in text
    entry = TrailEntry.objects.filter(kind=TrailKind.SEAT).order_by("id")[1]
    assert (entry.by, entry.key) == (bob.user, str(kim.pk))
    assert entry.facts == {"change": "off", "role": "approver", "before": "", "reason": "Has left"}


def test_an_owner_who_is_removed_is_told_too() -> None:
    ada = SeatFactory.create(owner=True)
    bob = SeatFactory.create(owner=True, company=ada.company)
    switch_off(seat=bob, by=as_owner(ada))
    assert {to for to, _change in told()} == {ada.email, bob.email}


@pytest.mark.parametrize("role", [Role.APPROVER, Role.BUYER, Role.VIEWER])
def test_who_is_no_owner_changes_no_seat(role: Role) -> None:
    seat = SeatFactory.create(role=role)
    kim = SeatFactory.create(company=seat.company)
    elsewhere = SeatFactory.create(owner=True)
    acts: list[Callable[[Actor], object]] = [
        lambda by: change_role(seat=kim, role=Role.VIEWER, by=by),
        lambda by: change_role(seat=seat, role=Role.OWNER, by=by),
        lambda by: switch_off(seat=kim, by=by),
        lambda by: give_seat(
            company=seat.company, user=UserFactory.create(), role=Role.VIEWER, by=by
        ),
    ]
    for by in (as_owner(seat), as_owner(elsewhere), Actor.person(staff("finance"))):
        for act in acts:
            with pytest.raises(SeatRefusedError, match="no permission"):
                act(by)
    assert not PersonLetter.objects.exists()


def test_the_last_owner_stays_owner_whoever_asks() -> None:
    ada = SeatFactory.create(owner=True)
    SeatFactory.create(owner=True, company=ada.company, inactive=True)
    SeatFactory.create(owner=True, company=ada.company, user__inactive=True)
    for by in (as_owner(ada), Actor.person(staff("administrator"))):
        with pytest.raises(SeatRefusedError, match="last owner"):
            switch_off(seat=ada, by=by)
        with pytest.raises(SeatRefusedError, match="last owner"):
            change_role(seat=ada, role=Role.BUYER, by=by)
    SeatFactory.create(owner=True, company=ada.company)
    change_role(seat=ada, role=Role.BUYER, by=as_owner(ada))
    assert ada.role == Role.BUYER


def test_what_is_so_already_is_said_and_tells_nobody() -> None:
    ada = SeatFactory.create(owner=True)
    kim = SeatFactory.create(company=ada.company)
    by = as_owner(ada)
    for act in (
        lambda: change_role(seat=kim, role=Role.BUYER, by=by),
        lambda: switch_on(seat=kim, by=by),
        lambda: give_seat(company=ada.company, user=kim.user, role=Role.VIEWER, by=by),
    ):
        with pytest.raises(SeatRefusedError, match="already"):
            act()
    assert not PersonLetter.objects.exists()


def two_owners() -> tuple[AccountManager, AccountManager]:
    ada = SeatFactory.create(owner=True)
    return ada, SeatFactory.create(owner=True, company=ada.company)


def remove_each_other(ada: AccountManager, bob: AccountManager) -> int:
    """Both act at the same moment, each with the rights that their page showed. Returns how many
    owners are left.
    """
    with (
        while_somebody(lambda: switch_off(seat=bob, by=as_owner(ada))),
        pytest.raises(SeatRefusedError, match="permission"),
    ):
        switch_off(seat=ada, by=as_owner(bob))
    return AccountManager.objects.filter(role=Role.OWNER, is_active=True).count()


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_at_once_leave_one() -> None:
    assert remove_each_other(*two_owners()) == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_of_the_company_none_would_be_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: the first one's transaction ends only after the second one looked."""
    ada, bob = two_owners()
    # replaced: the lock is the guard that this control switches off
    monkeypatch.setattr(services, "_lock", lambda _company_id: None)
    assert _both_before_either_commits(ada, bob) == 0


def _both_before_either_commits(ada: AccountManager, bob: AccountManager) -> int:
    with while_somebody(lambda: switch_off(seat=bob, by=as_owner(ada))):
        switch_off(seat=ada, by=as_owner(bob))
        AccountManager.objects.filter(pk=bob.pk).update(created_at=bob.created_at)  # waits
    return AccountManager.objects.filter(role=Role.OWNER, is_active=True).count()


def test_staff_who_get_a_seat_are_told_to_all_owners_however_it_was_made(
    mailoutbox: list[Any],
) -> None:
    ada = SeatFactory.create(owner=True)
    boss = UserFactory.create(superuser=True, name="Bea Boss", email="bea@programme.example")
    give_seat(company=ada.company, user=boss, role=Role.OWNER, by=Actor.person(boss))
    assert told() == [(ada.email, "given")]
    text = sent(mailoutbox)
    assert "Bea Boss (bea@programme.example) now has a seat in" in text
    assert "This person belongs to the staff of the programme." in text


def test_a_name_cannot_forge_lines_of_a_letter(mailoutbox: list[Any]) -> None:
    ada = SeatFactory.create(owner=True)
    kim = SeatFactory.create(company=ada.company)
    User.objects.filter(pk=kim.user_id).update(name="Kim\nDone by: nobody")
    kim.refresh_from_db()
    switch_off(seat=kim, by=as_owner(ada))
    assert "\nDone by: nobody" not in sent(mailoutbox)
    assert CompanyFactory._meta.model.objects.count() == 1
