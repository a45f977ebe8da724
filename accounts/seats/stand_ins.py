"""Names who decides on orders in the place of an approver who is away.

Each change is written into the trail, and told by letter to all owners and to the two people. The
caller sends the letters on their way (accounts/tasks.py: send_letters_of).
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountManager, PersonLetterKind, StandIn
from accounts.permissions import approves, may_end_stand_in, may_name_stand_in
from accounts.seats import letters
from accounts.seats.periods import zone_of
from accounts.seats.services import SeatRefusedError, as_now, owners_held
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor, Seat
from loyalty_portal.data.zones import local_day, local_moment

LONGEST = timedelta(days=366)
MOST = 10  # of one approver that are not over
SHOWN = 50


def name_stand_in(
    *, approver: AccountManager, deputy: AccountManager, first: date, last: date, by: Actor
) -> StandIn:
    """Let `deputy` decide in the place of `approver` from the day `first` to the day `last`, in the
    company's time zone.

    Raises SeatRefusedError with a sentence.
    """
    zone = zone_of(approver.company)
    _check_days(first, last, local_day(timezone.now(), zone))
    with transaction.atomic():
        owners = owners_held(approver.company_id)
        seats = AccountManager.objects.usable().filter(company=approver.company_id)
        usable = seats.select_related("user", "company").in_bulk([approver.pk, deputy.pk])
        _must(may_name_stand_in(as_now(by), approver) and approver.pk in usable)
        _check_deputy(usable.get(deputy.pk), approver)
        if StandIn.objects.not_over().filter(approver=approver).count() >= MOST:
            raise SeatRefusedError(_("So many people stand in already. End one of them first."))
        made = StandIn(
            approver=usable[approver.pk],
            deputy=usable[deputy.pk],
            starts_at=local_moment(first, time.min, zone),
            ends_at=local_moment(last + timedelta(days=1), time.min, zone),
            by_id=by.person_id,
        )
        made.save(force_insert=True)
        _tell(made, "named", by, {owner.email for owner in owners})
        return made


def end_stand_in(*, stand_in: StandIn, by: Actor) -> None:
    """End it now. Raises SeatRefusedError when it is over already."""
    with transaction.atomic():
        owners = owners_held(stand_in.approver.company_id)
        _must(may_end_stand_in(as_now(by), stand_in))
        found = StandIn.objects.not_over().filter(pk=stand_in.pk)
        if not found.update(ended_at=Now(), ended_by=by.person_id):
            raise SeatRefusedError(_("This is over already."))
        _tell(stand_in, "ended", by, {owner.email for owner in owners})


def approvers_of(company_id: UUID) -> list[AccountManager]:
    """The usable seats of people of the company whose role is to decide on orders."""
    seats = AccountManager.objects.usable().filter(company=company_id).order_by("id")
    return [each for each in seats.select_related("user", "company") if approves(each)]


def stood_in_for(seat: Seat) -> list[AccountManager]:
    """The approvers of whom the seat decides in the place at this moment: their seats are usable
    and may approve. Nobody for a key.
    """
    if seat.user.is_machine:
        return []
    rows = StandIn.objects.now().filter(deputy=seat.pk, approver__company=seat.company_id)
    people = rows.select_related("approver__user", "approver__company").order_by("created_at", "id")
    found = {row.approver_id: row.approver for row in people}
    return [each for each in found.values() if each.is_usable and approves(each)]


def deputies_of(approvers: Sequence[AccountManager]) -> list[tuple[AccountManager, AccountManager]]:
    """Who stands in at this moment for these: pairs of an approver and a usable deputy."""
    rows = StandIn.objects.now().filter(approver__in=[each.pk for each in approvers])
    people = rows.select_related("approver__user", "deputy__user", "deputy__company")
    ordered = people.order_by("created_at", "id")
    return [(row.approver, row.deputy) for row in ordered if row.deputy.is_usable]


def stand_ins_of(company_id: UUID) -> QuerySet[StandIn]:
    """The stand-ins of a company, the latest first."""
    rows = StandIn.objects.filter(approver__company=company_id)
    return rows.select_related(
        "approver__user", "approver__company", "deputy__user", "by", "ended_by"
    )


def last_day(stand_in: StandIn) -> date:
    """The last day of it, in the company's time zone."""
    end: datetime = stand_in.ends_at - timedelta(seconds=1)
    return local_day(end, zone_of(stand_in.approver.company))


def first_day(stand_in: StandIn) -> date:
    """The first day of it, in the company's time zone."""
    return local_day(stand_in.starts_at, zone_of(stand_in.approver.company))


def _check_days(first: date, last: date, today: date) -> None:
    if last < first:
        raise SeatRefusedError(_("The last day is before the first one."))
    if last < today:
        raise SeatRefusedError(_("These days are over already."))
    if last > today + LONGEST:
        raise SeatRefusedError(_("Choose days of the next twelve months."))


def _check_deputy(deputy: AccountManager | None, approver: AccountManager) -> None:
    if deputy is None or deputy.user.is_machine:
        raise SeatRefusedError(_("Choose somebody with an active seat in your company."))
    if deputy.pk == approver.pk:
        raise SeatRefusedError(_("Nobody stands in for themselves. Choose somebody else."))


def _must(allowed: bool) -> None:
    if not allowed:
        raise SeatRefusedError(_("You have no permission for this."))


def _tell(stand_in: StandIn, change: str, by: Actor, owners: set[str]) -> None:
    approver, deputy = stand_in.approver, stand_in.deputy
    days = {"first": first_day(stand_in).isoformat(), "last": last_day(stand_in).isoformat()}
    about = {"change": change, "deputy": str(deputy.pk), **days}
    record(TrailKind.STAND_IN, by=by, about=approver, facts=about)
    letters.write_news(
        PersonLetterKind.STAND_IN,
        company_id=approver.company_id,
        to={*owners, approver.email, deputy.email},
        facts={
            "change": change,
            "approver": str(approver.user),
            "deputy": str(deputy.user),
            "by": str(by.user_id or ""),
            **days,
        },
    )
