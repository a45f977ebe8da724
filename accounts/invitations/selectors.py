"""Reads an invitation's state for whoever opens its link."""

from enum import StrEnum

from django.utils.translation import gettext as _

from accounts.models import AccountManager, Invitation, InvitationEnd, User
from accounts.permissions import may_give_seats
from loyalty_portal.data.actor import SYSTEM, Actor


class InvitationStep(StrEnum):
    """What the page of an invitation asks for."""

    PASSWORD = "password"  # noqa: S105 - no secret; a new person chooses one
    SIGN_IN = "sign in"
    OTHER_PERSON = "other person"  # somebody else is signed in
    ACCEPT = "accept"


def person_of(invitation: Invitation) -> User | None:
    """The person with the invited e-mail address; None for somebody new."""
    return User.objects.filter(email__iexact=invitation.email).first()


def asked_for(invitation: Invitation, *, signed_in: User | None) -> InvitationStep:
    """What whoever opened the link has to do next."""
    person = person_of(invitation)
    if signed_in is None:
        return InvitationStep.SIGN_IN if person else InvitationStep.PASSWORD
    return InvitationStep.ACCEPT if person == signed_in else InvitationStep.OTHER_PERSON


def inviter(invitation: Invitation) -> Actor:
    """Who invited, as the actor that they are now."""
    if invitation.by_seat_id is None:
        return Actor.person(invitation.by)
    seats = AccountManager.objects.usable().select_related("user")
    seat = seats.filter(pk=invitation.by_seat_id).first()
    return Actor.in_seat(seat) if seat else SYSTEM


def why_not(invitation: Invitation) -> str:
    """Why the invitation cannot be accepted, in a sentence; "" when it can.

    The rights of a link never exceed those of whoever sent it: they must still have them.
    """
    if invitation.end:
        return _ended(invitation)
    if invitation.has_expired:
        return _("This invitation has expired. Ask for a new one.")
    if not invitation.company.is_active:
        return _(
            "The company is switched off at the moment. "
            "The link works again when it is switched on."
        )
    by = inviter(invitation)
    if not invitation.by.is_active or not may_give_seats(by, invitation.company, invitation.role):
        return _("Whoever invited you may not do so any more. Ask for a new invitation.")
    return _of_person(invitation)


def _ended(invitation: Invitation) -> str:
    return {
        InvitationEnd.ACCEPTED: _("This invitation has been accepted already. Just sign in."),
        InvitationEnd.REVOKED: _("This invitation was taken back."),
        InvitationEnd.REPLACED: _(
            "This invitation was sent again. Use the link in the newest letter."
        ),
    }[InvitationEnd(invitation.end)]


def _of_person(invitation: Invitation) -> str:
    """Why the person with the invited address cannot accept; "" when they can."""
    person = person_of(invitation)
    if person is None:
        return ""
    if not person.is_active:
        return _("Your account is switched off. Ask the staff of the programme.")
    seat = AccountManager.objects.filter(company=invitation.company, user=person).first()
    if seat is None:
        return ""
    if seat.is_active:
        told = _("You have a seat in this company already. Role: %(role)s.")
        return told % {"role": seat.get_role_display()}
    return _("You had a seat in this company, and it was switched off. Ask an owner.")
