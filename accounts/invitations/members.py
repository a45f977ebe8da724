"""Reads who is in a company, and who is invited to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from accounts.access.factors.kinds import has_factor
from accounts.models import AccountManager, Company, Invitation
from accounts.selectors import told_as


class OrderedSoFar(NamedTuple):
    """What was ordered: points of this month by seat, and what is left of the company's budget, in
    a sentence ("" without one) and in points (None without one).
    """

    by_seat: Mapping[UUID, int]
    budget: str
    budget_left: int | None = None


def spending_of(company: Company) -> OrderedSoFar:
    """What a company and its seats ordered. Orders are of a higher room, whose function
    settings.SPENDING names.
    """
    read: Callable[[Company], OrderedSoFar] = import_string(settings.SPENDING)
    return read(company)


def spending_by_month(seat: AccountManager) -> list[tuple[date, int]]:
    """The points that count for a seat in each of the last months, by their first day, this month
    first; the function that settings.SPENDING_BY_MONTH names reads them.
    """
    read: Callable[[AccountManager], list[tuple[date, int]]] = import_string(
        settings.SPENDING_BY_MONTH
    )
    return read(seat)


@dataclass(frozen=True, slots=True)
class MemberShown:
    """A person with a seat. `tone`, `icon` and `state` are its status."""

    seat: AccountManager
    tone: str
    icon: str
    state: str
    used: int = 0  # points of this month; only where it was asked for

    @property
    def name(self) -> str:
        return self.seat.user.name or self.seat.email

    @property
    def last_seen(self) -> datetime | None:
        """When the person signed in last."""
        return self.seat.user.last_login

    @property
    def has_factor(self) -> bool:
        """Whether the person has a second step to sign in."""
        return bool(getattr(self.seat, "has_factor", False))


@dataclass(frozen=True, slots=True)
class InvitationShown:
    """An invitation that is open, or has expired and can be sent again."""

    invitation: Invitation

    @property
    def invited_by(self) -> str:
        return told_as(self.invitation.by, self.invitation.company_id)


def members_of(company: Company, used: Mapping[UUID, int]) -> list[MemberShown]:
    """All people with a seat, active ones first, by name. Keys of systems have none here. `used`:
    points of this month by seat.
    """
    seats = _people(company).order_by("-is_active", "-user__is_active", "user__name", "user__email")
    return [_shown(seat, used.get(seat.pk, 0)) for seat in seats]


def member_of(company: Company, seat_id: UUID) -> MemberShown | None:
    """One person of the company; None when it has nobody with this seat."""
    seat = _people(company).filter(pk=seat_id).first()
    return _shown(seat) if seat else None


def invitations_of(company: Company) -> list[InvitationShown]:
    """The invitations that are open, those that have expired too, the newest first."""
    rows = company.invitations.open().select_related("by")
    return [InvitationShown(row) for row in rows]


def _people(company: Company) -> QuerySet[AccountManager]:
    seats = AccountManager.objects.filter(company=company, user__is_machine=False)
    return seats.annotate(has_factor=has_factor("user")).select_related("user", "company")


def _shown(seat: AccountManager, used: int = 0) -> MemberShown:
    if not seat.is_active:
        return MemberShown(seat, "", "ban", _("Switched off"), used)
    if not seat.user.is_active:
        return MemberShown(seat, "warn", "ban", _("Switched off by the programme"), used)
    return MemberShown(seat, "ok", "circle-check", _("Active"), used)
