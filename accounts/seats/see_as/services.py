"""Staff see the portal as a seat sees it: begins and ends it, and finds it for a request.

docs/decisions/0047-seen-as-a-seat.md says what it promises. The staff person stays signed in as
themselves; only the seat of the request is another one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.contrib import messages
from django.db import connection, transaction
from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AccountManager, User, Viewing
from accounts.permissions import may_see_as
from accounts.selectors import own_seat, seats_of, usable_seats
from loyalty_portal.audit.models import TrailEntry, TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.http.where import where

KEY = "see_as"  # of the session: the id of the viewing
LASTS = timedelta(minutes=15)  # use does not make it longer


class HowItEnded(StrEnum):
    """Why a viewing ended, as the trail has it."""

    CLICK = "click"
    TIME = "time"
    SIGN_OUT = "sign_out"
    ANOTHER = "another"  # the same person began another one
    ACCESS = "access"  # the seat was switched off, or the person lost the permission


class SeeAsRefusedError(Exception):
    """The seat cannot be seen now. The message says why."""


@dataclass(frozen=True, slots=True)
class Seeing:
    """A viewing that is going on: the seat, as every page needs it, and its person's seats."""

    viewing: Viewing
    seat: AccountManager
    seats: list[AccountManager]


def why_not(seat: AccountManager) -> str:
    """Why nobody sees the portal as this seat; "" when staff with the permission may."""
    if seat.user.is_staff or seat.user.is_superuser:
        return _("%(who)s is staff of the programme. Nobody sees the portal as staff.") % {
            "who": seat.user
        }
    if not seat.is_usable:
        return _("The seat, its person or its company is switched off, so it sees no page.")
    return ""


@transaction.atomic
def begin(*, seat: AccountManager, reason: str, by: Actor) -> Viewing:
    """Begin to see the portal as `seat`, for LASTS. Raises SeeAsRefusedError."""
    if why := why_not(seat):
        raise SeeAsRefusedError(why)
    if not reason.strip():
        raise SeeAsRefusedError(_("Give the reason; the trail keeps it."))
    viewing = Viewing.objects.create(
        seat=seat, by_id=by.person_id, reason=reason.strip(), until=timezone.now() + LASTS
    )
    _record(viewing, by, step="begin", reason=viewing.reason, until=viewing.until.isoformat())
    return viewing


@transaction.atomic
def end(*, viewing: Viewing, how: HowItEnded, by: Actor) -> None:
    """End a viewing and record it, once; one that is over already stays as it is."""
    if Viewing.objects.filter(pk=viewing.pk, ended_at=None).update(ended_at=timezone.now()):
        _record(viewing, by, step="end", how=how.value)


def end_late() -> int:
    """End the viewings whose time is over and whose person asked for no page since. Returns how
    many.
    """
    late = Viewing.objects.filter(ended_at=None, until__lte=timezone.now())
    rows = list(late.select_related("by", "seat__company")[:1000])
    for viewing in rows:
        end(viewing=viewing, how=HowItEnded.TIME, by=Actor.person(viewing.by))
    return len(rows)


def seen_page(seeing: Seeing) -> None:
    """Record that the page of this request was seen, once for each address in a viewing.

    The address has no query, because words that are searched for may be somebody's.
    """
    viewing, by = seeing.viewing, Actor.person(seeing.viewing.by)
    _record(viewing, by, once=True, step="page")


def _record(viewing: Viewing, by: Actor, *, once: bool = False, **facts: str) -> None:
    seat, facts = viewing.seat, {"viewing": str(viewing.pk), **facts}
    if once and _is_recorded(viewing, facts):
        return
    record(TrailKind.SEE_AS, by=by, about=seat, what=seat.company.name, facts=facts)


def _is_recorded(viewing: Viewing, facts: dict[str, str]) -> bool:
    known = TrailEntry.objects.filter(
        kind=TrailKind.SEE_AS, model=viewing.seat._meta.label_lower, key=str(viewing.seat_id)
    )
    return known.filter(facts=facts, place=where().place[:200]).exists()


# --- The viewing of a request --------------------------------------------------------------


def remember(request: HttpRequest, viewing: Viewing) -> None:
    """Let the pages of this session be seen as the seat of the viewing."""
    forget(request, HowItEnded.ANOTHER)
    request.session[KEY] = str(viewing.pk)
    _make_old_forms_useless(request)


def forget(request: HttpRequest, how: HowItEnded) -> Viewing | None:
    """End the viewing of this session. None when there was none."""
    found = request.session.pop(KEY, None)
    if found is None or not isinstance(request.user, User):
        return None
    own = Viewing.objects.filter(pk=found, by=request.user.pk).select_related("seat__company")
    viewing = own.first()
    if viewing is not None:
        end(viewing=viewing, how=how, by=Actor.person(request.user))
        _make_old_forms_useless(request)
    return viewing


def _make_old_forms_useless(request: Any) -> None:
    """Refuse the forms of pages that are still open in another tab.

    They were shown for another seat. Staff without a seat of their own can do nothing there anyway,
    so their forms in the back office stay as they are.
    """
    if seats_of(request.user):
        rotate_token(request)


def is_just_over(request: HttpRequest) -> bool:
    """Whether the viewing of this session was found to be over by this very request."""
    return hasattr(request, "see_as_is_over")


def seeing_on(request: Any) -> Seeing | None:
    """The viewing of this request, read once; None for everybody else.

    A viewing that is over leaves the session here: a later page is the person's own.
    """
    if not hasattr(request, "seeing"):
        request.seeing = _seeing(request)
    seeing: Seeing | None = request.seeing
    return seeing


def _seeing(request: Any) -> Seeing | None:
    if not request.user.is_authenticated or KEY not in request.session:
        return None
    viewing = (
        Viewing.objects.select_related("by", "seat")
        .filter(pk=request.session[KEY], by=request.user.pk, ended_at=None)
        .first()
    )
    seeing = _still(viewing, request.user) if viewing else None
    if seeing is None:
        late = viewing is not None and viewing.until <= timezone.now()
        forget(request, HowItEnded.TIME if late else HowItEnded.ACCESS)
        request.see_as_is_over = True
        messages.info(request, _("You do not see the portal as somebody else any more."))
    return seeing


def _still(viewing: Viewing, user: User) -> Seeing | None:
    """The viewing with its seat, unless it may not go on."""
    if viewing.until <= timezone.now() or not may_see_as(Actor.person(user)):
        return None
    seats = usable_seats(viewing.seat.user_id)
    seat = own_seat(seats, str(viewing.seat_id))
    if seat is None or why_not(seat):
        return None
    viewing.seat = seat
    return Seeing(viewing, seat, seats)


# --- Nothing is written ---------------------------------------------------------------------


@contextmanager
def read_only() -> Iterator[None]:
    """Let PostgreSQL refuse every write in this block, also one that nobody thought of."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        yield
