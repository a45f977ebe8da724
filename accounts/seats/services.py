"""Gives seats of companies, changes their roles, and switches them off and on.

Each change is told to all owners of the company by letter, in the same transaction. The caller
sends the letters on their way (accounts/tasks.py: send_letters_of); the sweeper finds them anyway.
A company that has owners keeps one: the company's row is locked while seats of it change.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import AccountManager, Company, PersonLetterKind, Role, User
from accounts.permissions import may_give_seats, may_manage_seat, may_switch_seat
from accounts.seats import letters
from accounts.selectors import owners_of
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import SYSTEM, Actor

Made = TypeVar("Made")


class SeatRefusedError(Exception):
    """The seat may not be changed so. The message says why."""


class SeatChange(StrEnum):
    """What happened to a seat, as letters and the trail name it."""

    GIVEN = "given"
    ROLE = "role"
    OFF = "off"
    ON = "on"
    STAFF = "staff"
    ADDRESS = "address"
    PASSWORD = "password"  # noqa: S105 - no secret


def give_seat(*, company: Company, user: User, role: str, by: Actor) -> AccountManager:
    """Give a person a seat in a company. All owners are told.

    Raises SeatRefusedError when the person has one already, or the actor may not.
    """
    with transaction.atomic():
        owners = owners_held(company.pk)
        _must(may_give_seats(as_now(by), company, role) and not user.is_machine)
        if AccountManager.objects.filter(company=company, user=user).exists():
            raise SeatRefusedError(has_seat_already(user))
        return add_seat(company=company, user=user, role=role, by=by, owners=owners)


def add_seat(
    *,
    company: Company,
    user: User,
    role: str,
    by: Actor,
    owners: set[User],
    invited_by: UUID | None = None,
) -> AccountManager:
    """Write a new seat and tell `owners`. The caller has locked the company and asked who may.

    The letters name who invited (`invited_by`), if somebody did, and else `by`.
    """
    seat = AccountManager(company=company, user=user, role=role)
    seat.save(force_insert=True)
    _tell(seat, SeatChange.GIVEN, by=by, owners=owners, invited_by=invited_by)
    return seat


def change_role(*, seat: AccountManager, role: str, by: Actor, reason: str = "") -> None:
    """Give a seat another role. Raises SeatRefusedError; the last owner stays owner."""

    def write(held: AccountManager, owners: set[User]) -> None:
        now = as_now(by)
        _must(may_manage_seat(now, held) and may_give_seats(now, held.company, role))
        if held.role == role:
            raise SeatRefusedError(_("The seat has this role already."))
        if role != Role.OWNER:
            _keep_an_owner(held, owners)
        before, held.role = held.role, role
        held.save(update_fields=["role"])
        _tell(held, SeatChange.ROLE, by=by, owners=owners, before=before, reason=reason)

    _with_held(seat, write)


def switch_off(*, seat: AccountManager, by: Actor, reason: str = "") -> None:
    """Switch a seat off: nobody acts in it. Raises SeatRefusedError; the last owner stays."""

    def write(held: AccountManager, owners: set[User]) -> None:
        _must(may_switch_seat(as_now(by), held))
        if not held.is_active:
            raise SeatRefusedError(_("The seat is switched off already."))
        _keep_an_owner(held, owners)
        held.is_active = False
        held.save(update_fields=["is_active"])
        _tell(held, SeatChange.OFF, by=by, owners=owners, reason=reason)

    _with_held(seat, write)


def switch_on(*, seat: AccountManager, by: Actor, reason: str = "") -> None:
    """Switch a seat on again, with its role. Raises SeatRefusedError."""

    def write(held: AccountManager, owners: set[User]) -> None:
        _must(may_switch_seat(as_now(by), held))
        if held.is_active:
            raise SeatRefusedError(_("The seat is switched on already."))
        held.is_active = True
        held.save(update_fields=["is_active"])
        _tell(held, SeatChange.ON, by=by, owners=owners, reason=reason)

    _with_held(seat, write)


def tell_of_person(
    *, person: User, change: SeatChange, by: Actor, before: str = "", also: Sequence[str] = ()
) -> None:
    """Tell the owners of each company in which the person has a seat what staff changed about the
    person: STAFF, ADDRESS (`before`: the old one) or PASSWORD. `also`: further addresses to tell.

    Each of these can lead somebody of the staff into the company. To be called in the transaction
    of the change.
    """
    seats = AccountManager.objects.filter(user=person, is_active=True).select_related("company")
    for seat in seats.order_by("company_id"):
        owners = owners_held(seat.company_id)
        _tell(seat, change, by=by, owners=owners, before=before, also=also)


def has_seat_already(user: User) -> str:
    """The sentence for somebody who has a seat in the company, be it on or off."""
    told = _(
        "%(person)s has a seat in this company already. Change its role, or switch it on again."
    )
    return told % {"person": user.email}


def owners_held(company_id: UUID) -> set[User]:
    """Lock the company's row until the transaction ends, and return the people who are its owners
    now: their seat and they themselves are active. The seat of a key owns nothing.
    """
    _lock(company_id)
    return set(owners_of(company_id))


def as_now(by: Actor) -> Actor:
    """The actor with the rights of now: a colleague may have changed their seat a moment ago.

    Under the lock of the company these rights stay. Whose seat ended may do nothing any more.
    """
    if by.seat is None:
        return by
    seat = AccountManager.objects.usable().select_related("user").filter(pk=by.seat.pk).first()
    return Actor.in_seat(seat) if seat else SYSTEM


def _lock(company_id: UUID) -> None:
    list(Company.objects.select_for_update(no_key=True).filter(pk=company_id))


def _with_held(seat: AccountManager, write: Callable[[AccountManager, set[User]], Made]) -> Made:
    """Call `write` with the seat as it is now and the owners, under the company's lock. What it
    wrote is put into `seat` too.
    """
    with transaction.atomic():
        owners = owners_held(seat.company_id)
        held = AccountManager.objects.select_related("company", "user").get(pk=seat.pk)
        made = write(held, owners)
    seat.role, seat.is_active = held.role, held.is_active
    return made


def _keep_an_owner(seat: AccountManager, owners: set[User]) -> None:
    """Raise when the seat's person is the only owner left."""
    if {person.pk for person in owners} == {seat.user_id}:
        raise SeatRefusedError(
            _("This is the last owner of the company. Make somebody else an owner first.")
        )


def _must(allowed: bool) -> None:
    if not allowed:
        raise SeatRefusedError(_("You have no permission for this."))


def _tell(
    seat: AccountManager,
    change: SeatChange,
    *,
    by: Actor,
    owners: set[User],
    before: str = "",
    reason: str = "",
    invited_by: UUID | None = None,
    also: Sequence[str] = (),
) -> None:
    """Write the change into the trail, and a letter to everybody who was an owner before it, and to
    the addresses `also`.
    """
    facts: dict[str, Any] = {"change": change.value, "role": seat.role, "before": before}
    told_by = str(invited_by or by.user_id or "")
    kept = {**facts, "reason": reason} | ({"invited by": told_by} if invited_by else {})
    if change == SeatChange.ADDRESS:
        del kept["before"]  # the trail keeps nothing personal; the history of people has it
    record(TrailKind.SEAT, by=by, about=seat, facts=kept)
    letters.write_news(
        PersonLetterKind.RIGHTS,
        company_id=seat.company_id,
        to={*(person.email for person in owners), *also},
        facts={
            **facts,
            "person": seat.name or seat.email,
            "email": seat.email,
            "by": told_by,
            "is_staff": seat.user.is_staff,
            "reason": reason,
        },
    )
