"""Invites e-mail addresses to seats, and turns an accepted invitation into a seat.

The link's token is random, known only to the letter, and stored hashed. The caller sends the
letters on their way (accounts/tasks.py: send_letters_of).
"""

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.invitations.selectors import person_of, why_not
from accounts.models import AccountManager, Company, Invitation, InvitationEnd, User, hashed
from accounts.permissions import may_give_seats
from accounts.seats import letters
from accounts.seats.services import add_seat, as_now, has_seat_already, owners_held
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor


class InvitationRefusedError(Exception):
    """The invitation is not possible, or not any more. The message says why."""


def invite(*, company: Company, email: str, role: str, by: Actor) -> Invitation:
    """Invite an e-mail address to a seat, by a letter with a link.

    An invitation of the address that has expired is replaced. Raises InvitationRefusedError for an
    address that is none, has a seat here or an invitation that is open, for a company that is
    switched off, and when the actor may not give this role.
    """
    with transaction.atomic():
        owners_held(company.pk)
        company.refresh_from_db()
        if not company.is_active:
            raise InvitationRefusedError(_("The company is switched off. Switch it on first."))
        return prepare(company=company, email=email, role=role, by=by, send=True)


def prepare(*, company: Company, email: str, role: str, by: Actor, send: bool) -> Invitation:
    """Write an invitation, and its letter only if it is to be sent now (`send`).

    The caller has opened the transaction and, for a company that others know, locked it. A company
    that is not open yet sends its letters when it opens (onboarding.py).
    """
    email, now = _checked(email), as_now(by)
    if not may_give_seats(now, company, role):
        raise InvitationRefusedError(_("You have no permission to give this role."))
    _must_have_no_seat(company, email)
    earlier = company.invitations.open().filter(email__iexact=email)
    if any(not each.has_expired for each in earlier):
        told = _("%(email)s has an open invitation. Send it again, or take it back.")
        raise InvitationRefusedError(told % {"email": email})
    earlier.finish(InvitationEnd.REPLACED, _user(by))
    return _write(company=company, email=email, role=role, by=now, send=send)


def send_again(*, invitation: Invitation, by: Actor) -> Invitation:
    """Replace an open invitation by a new one for another seven days, with a new link. The old
    link stops working. It counts as the invitation of whoever sends it again.

    Returns the new one. Raises InvitationRefusedError.
    """
    with transaction.atomic():
        owners_held(invitation.company_id)
        held = Invitation.objects.select_related("company").get(pk=invitation.pk)
        if not may_give_seats(as_now(by), held.company, held.role):
            raise InvitationRefusedError(_("You have no permission to give this role."))
        if not held.company.is_active:
            raise InvitationRefusedError(_("The company is switched off. Switch it on first."))
        _must_have_no_seat(held.company, held.email)
        _end(held, InvitationEnd.REPLACED, by=by)
        return _write(
            company=held.company, email=held.email, role=held.role, by=as_now(by), send=True
        )


def revoke(*, invitation: Invitation, by: Actor) -> None:
    """Take an open invitation back: its link stops working. Raises InvitationRefusedError."""
    with transaction.atomic():
        owners_held(invitation.company_id)
        if not may_give_seats(as_now(by), invitation.company, invitation.role):
            raise InvitationRefusedError(_("You have no permission for this."))
        _end(invitation, InvitationEnd.REVOKED, by=by)
        record(TrailKind.INVITATION, by=by, about=invitation, facts={"what": "taken back"})


def accept(*, invitation: Invitation, person: User) -> AccountManager:
    """Give the signed-in person the seat, and tell the company's owners.

    Raises InvitationRefusedError, for each person but the invited one too.
    """
    with transaction.atomic():
        held = _held(invitation)
        if person_of(held) != person:
            raise InvitationRefusedError(_("This invitation is for another person."))
        return _take(held, person)


def accept_as_new(*, invitation: Invitation, name: str, password: str) -> User:
    """Make the person of a new e-mail address, with this password, and give them the seat.

    Raises InvitationRefusedError, or ValidationError when the password is too weak.
    """
    exists = _("There is an account with this e-mail address by now. Sign in to accept.")
    try:
        with transaction.atomic():
            held = _held(invitation)
            if person_of(held):
                raise InvitationRefusedError(exists)
            person = User(email=held.email, name=name)
            validate_password(password, person)
            person.set_password(password)
            person.save(force_insert=True)
            _take(held, person)
    except IntegrityError as error:  # accepted for another company at the same moment
        raise InvitationRefusedError(exists) from error
    return person


def _held(invitation: Invitation) -> Invitation:
    """The invitation as it is now, with the company locked. Raises when it cannot be accepted."""
    owners_held(invitation.company_id)
    rows = Invitation.objects.select_related("company", "by", "by_seat")
    held = rows.get(pk=invitation.pk)
    if why := why_not(held):
        raise InvitationRefusedError(why)
    return held


def _take(invitation: Invitation, person: User) -> AccountManager:
    by = Actor.person(person)
    _end(invitation, InvitationEnd.ACCEPTED, by=by)
    told = {"what": "accepted", "role": invitation.role}
    record(TrailKind.INVITATION, by=by, about=invitation, facts=told)
    return add_seat(
        company=invitation.company,
        user=person,
        role=invitation.role,
        by=by,
        owners=owners_held(invitation.company_id),
        invited_by=invitation.by_id,
    )


def _write(*, company: Company, email: str, role: str, by: Actor, send: bool) -> Invitation:
    token = secrets.token_urlsafe(32)
    invitation = Invitation(
        company=company,
        email=email,
        role=role,
        token_hash=hashed(token),
        by_id=by.person_id,
        by_seat_id=by.seat.pk if by.seat else None,
    )
    invitation.save(force_insert=True)
    record(TrailKind.INVITATION, by=by, about=invitation, facts={"what": "invited", "role": role})
    if send:
        letters.write_invitation(invitation, token)
    return invitation


def _end(invitation: Invitation, how: InvitationEnd, *, by: Actor) -> None:
    rows = Invitation.objects.filter(pk=invitation.pk)
    if not rows.finish(how, _user(by)):
        raise InvitationRefusedError(
            _("The invitation has ended already: it was accepted, taken back or sent again.")
        )


def _checked(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError as error:
        raise InvitationRefusedError(" ".join(error.messages)) from None
    if len(email) > 255:
        raise InvitationRefusedError(_("This e-mail address is too long."))
    return email


def _must_have_no_seat(company: Company, email: str) -> None:
    seat = company.seats.filter(user__email__iexact=email).select_related("user").first()
    if seat:
        raise InvitationRefusedError(has_seat_already(seat.user))


def _user(by: Actor) -> User | None:
    return User.objects.filter(pk=by.user_id).first() if by.user_id else None
