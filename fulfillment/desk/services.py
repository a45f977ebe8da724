"""The work of the desk on parcels. A parcel is all open lines of one order for one recipient.

Any line stands for its parcel. Each service locks the parcel's lines first, so that two people at
once never take the same parcel.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fulfillment.desk.selectors import lines_of, state_of, to_do
from fulfillment.models import Fulfillment, FulfillmentEvent, Shipment
from fulfillment.news import news_of, tell_all
from fulfillment.permissions import (
    ASSIGN,
    CORRECT,
    TAKE_OVER,
    WORK,
    may_do,
    may_take_over,
    may_work_on,
)
from fulfillment.services import (
    DeskError,
    assign,
    checked,
    checked_mine,
    not_on_hold,
    ship_together,
)
from fulfillment.states import TO_SEND, FulfillmentStatus
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor, Person
from loyalty_portal.data.countries import name_of
from loyalty_portal.data.recipient import FIELDS, Recipient, check_recipient, parcel_key
from loyalty_portal.data.texts.kept import kept

MOST_TRIED = 20  # parcels that others may take before a person gets none

_LABELS = {column.name: column.verbose_name for column in Recipient._meta.fields}
REFUSALS: Mapping[str, Promise] = {
    WORK: gettext_lazy("You may not work at the desk. The groups fulfillment and warehouse may."),
    TAKE_OVER: gettext_lazy(
        "You may not take work over. The groups fulfillment and warehouse may."
    ),
    ASSIGN: gettext_lazy(
        "You may not give work to a colleague. The groups fulfillment and warehouse may."
    ),
    CORRECT: gettext_lazy(
        "You may not correct recipients. The groups fulfillment, support and warehouse may."
    ),
}


class Packing(NamedTuple):
    """What goes into a parcel, with whom. `units` are pieces by the keys of lines; None: all that
    are open. `seen` is `state_of` the lines that the person looked at.
    """

    carrier: str
    tracking_number: str
    seen: str
    units: Mapping[UUID, int] | None = None


def _held(parcel: Fulfillment, by: Actor, what: str = WORK) -> list[Fulfillment]:
    """The parcel's lines, locked. Raises DeskError without any, or if the actor may not do it."""
    if not may_do(by, what):
        raise DeskError(str(REFUSALS[what]))
    lines = lines_of(parcel).held()
    if not lines:
        raise DeskError(_("Nothing of this parcel is left to send. Look again."))
    return lines


def _mine(parcel: Fulfillment, by: Actor, what: str = WORK) -> list[Fulfillment]:
    """The parcel's lines, locked, if nobody or the actor works on them. Raises DeskError."""
    return [checked_mine(line, by) for line in _held(parcel, by, what)]


@transaction.atomic
def check_free(parcel: Fulfillment, by: Actor) -> None:
    """Raise DeskError if nothing is left to send, or a colleague works on the parcel."""
    _mine(parcel, by)


@transaction.atomic
def check_workable(parcel: Fulfillment, by: Actor) -> None:
    """Raise DeskError like `check_free`, and while the parcel is on hold."""
    not_on_hold(_mine(parcel, by))


@transaction.atomic
def check_correctable(parcel: Fulfillment, by: Actor) -> None:
    """Raise DeskError like `check_free`, but ask whether the actor may correct recipients."""
    _mine(parcel, by, CORRECT)


@transaction.atomic
def claim_parcel(*, parcel: Fulfillment, by: Actor) -> list[Fulfillment]:
    """Let the actor work on all lines of the parcel for one working day. Returns the lines."""
    lines = _mine(parcel, by)
    not_on_hold(lines)
    free = [line for line in lines if not line.is_claimed]
    for line in free:
        assign(line, to=by.user_id, by=by, reason=kept(lambda: _("Claimed")))
    if free:
        tell_all([news_of(line, by=by) for line in free])
    return lines


def claim_next(*, by: Actor, which: str = "all") -> Fulfillment | None:
    """Claim the most urgent parcel of a filter that is free or the actor's own; None without one.

    One that a colleague takes at the same moment is passed over.
    """
    for head in to_do(by, which)[:MOST_TRIED]:
        try:
            claim_parcel(parcel=head, by=by)
        except DeskError:
            continue
        return head
    return None


@transaction.atomic
def put_back(*, parcel: Fulfillment, by: Actor) -> None:
    """End the actor's claim of the parcel."""
    lines = [line for line in _mine(parcel, by) if line.is_claimed]
    for line in lines:
        assign(line, to=None, by=by, reason=kept(lambda: _("Put back")))
    if lines:
        tell_all([news_of(line, by=by) for line in lines])


@transaction.atomic
def take_over_parcel(*, parcel: Fulfillment, whose: UUID | None, by: Actor) -> None:
    """Assign the parcel to the actor instead of the person with the key `whose`, who had it when
    the actor last looked.
    """
    lines = _held(parcel, by, TAKE_OVER)
    theirs = [line for line in lines if may_take_over(by, line)]
    if not theirs or any(line.claimed_by_id != whose for line in theirs):
        raise DeskError(_("Somebody has worked on this since the page was made. Look again."))
    for line in lines:
        assign(line, to=by.user_id, by=by, reason=_from_whom(line))
    first = theirs[0]
    record(TrailKind.TAKEN_OVER, by=by, about=first, what=first.label, facts={"from": str(whose)})


def _from_whom(line: Fulfillment) -> str:
    return kept(lambda: _("Taken over from %(who)s") % {"who": line.claimed_by or _("nobody")})


@transaction.atomic
def assign_parcel(*, parcel: Fulfillment, to: Person, by: Actor) -> None:
    """Give the parcel, which is free or the actor's own, to a colleague for one working day."""
    if not may_do(Actor.person(to), WORK):
        raise DeskError(_("%(who)s may not work at the desk.") % {"who": to})
    lines = _mine(parcel, by, ASSIGN)
    not_on_hold(lines)
    given = kept(lambda: _("Given to %(who)s") % {"who": to})
    for line in lines:
        assign(line, to=to.pk, by=by, reason=given)
    tell_all([news_of(line, by=by) for line in lines])


@transaction.atomic
def hold_parcel(*, parcel: Fulfillment, reason: str, by: Actor) -> None:
    """Take the parcel out of the queue until it is released. This ends the claim."""
    lines = _mine(parcel, by)
    if not reason.strip():
        raise DeskError(_("Say why it is to wait; colleagues read it."))
    not_on_hold(lines)
    why = reason.strip()[:255]
    told = kept(lambda: _("On hold: %(why)s") % {"why": why})
    for line in lines:
        line.hold_reason = why
        line.claimed_by_id = line.claimed_until = None
        line.save(update_fields=["hold_reason", "claimed_by", "claimed_until"])
        line.event(line.status, line.status, by=by, reason=told).save()
    tell_all([news_of(line, by=by) for line in lines])


@transaction.atomic
def release_parcel(*, parcel: Fulfillment, by: Actor) -> None:
    """Return a parcel that is on hold to the queue."""
    lines = [line for line in _mine(parcel, by) if line.hold_reason]
    if not lines:
        raise DeskError(_("This parcel is not on hold."))
    for line in lines:
        line.hold_reason = ""
        line.save(update_fields=["hold_reason"])
        line.event(line.status, line.status, by=by, reason=kept(lambda: _("Released"))).save()


@transaction.atomic
def pick(*, parcel: Fulfillment, keys: Collection[UUID], by: Actor) -> int:
    """Mark all open units of these lines as fetched from the shelf. Picking claims the parcel.
    Returns the number of lines that were not picked before.
    """
    lines = [line for line in claim_parcel(parcel=parcel, by=by) if line.pk in keys]
    if not lines:
        raise DeskError(_("This is not in the parcel."))
    new = [line for line in lines if line.quantity_picked < line.open_quantity]
    for line in new:
        line.quantity_picked = line.open_quantity
        line.save(update_fields=["quantity_picked"])
    return len(new)


@transaction.atomic
def pack_parcel(*, parcel: Fulfillment, by: Actor) -> list[Fulfillment]:
    """Mark the open units of all lines as packed. Packing claims the parcel."""
    lines = claim_parcel(parcel=parcel, by=by)
    unpacked = [line for line in lines if line.status == FulfillmentStatus.QUEUED]
    for line in unpacked:
        line.transition(FulfillmentStatus.PACKED, by=by)
    if unpacked:
        tell_all([news_of(line, by=by) for line in unpacked])
    return lines


@transaction.atomic
def pack_and_ship(*, parcel: Fulfillment, packing: Packing, by: Actor) -> Shipment:
    """Pack and ship the parcel, or some units of it, in one step. The others stay in the queue."""
    if state_of(_held(parcel, by)) != packing.seen:
        raise DeskError(_("Somebody has worked on this since the page was made. Look again."))
    lines = pack_parcel(parcel=parcel, by=by)
    units = packing.units
    if units is None:
        units = {line.pk: line.open_quantity for line in lines}
    if units.keys() - {line.pk for line in lines}:
        raise DeskError(_("This is not in the parcel."))
    return ship_together(
        units={key: pieces for key, pieces in units.items() if pieces},
        carrier=packing.carrier,
        tracking_number=packing.tracking_number,
        by=by,
    )


@transaction.atomic
def correct_recipient(*, parcel: Fulfillment, recipient: Mapping[str, str], by: Actor) -> None:
    """Correct to whom and where the parcel goes. The order's lines follow, and the company reads
    what was changed. Raises DeskError when something is missing or nothing was changed.
    """
    _correct(_mine(parcel, by, CORRECT), recipient, by, reason="")


@transaction.atomic
def correct_for_company(
    *, parcel: Fulfillment, recipient: Mapping[str, str], reason: str, by: Actor
) -> None:
    """Correct it for somebody who does not stand at the desk, also while a colleague works on it:
    what was made for the old address can then not be shipped any more (`Packing.seen`). Raises
    DeskError like `correct_recipient`, and when a colleague has packed it.
    """
    lines = _held(parcel, by, CORRECT)
    if parcel.pk not in {line.pk for line in lines}:  # it was sent; others go to the same place
        raise DeskError(_("Nothing of this parcel is left to send. Look again."))
    for line in lines:
        checked(line, TO_SEND)
        if line.status == FulfillmentStatus.PACKED and not may_work_on(by, line):
            told = _("%(who)s has packed it already. Ask them to correct it at the desk.")
            raise DeskError(told % {"who": line.claimed_by})
    _correct(lines, recipient, by, reason)


def _correct(
    lines: list[Fulfillment], recipient: Mapping[str, str], by: Actor, reason: str
) -> None:
    try:
        said = check_recipient(recipient, by_parcel=True)
    except ValidationError as error:
        raise DeskError(" ".join(error.messages)) from error
    if not said["recipient_name"]:
        raise DeskError(_("Say who gets the parcel."))
    word = corrected_word(lines[0], said, reason)
    if not word:
        raise DeskError(_("Nothing was changed."))
    for line in lines:
        for name in FIELDS:
            setattr(line, name, said[name])
        line.parcel_key = parcel_key(line.label, said)
        line.save(update_fields=[*FIELDS, "parcel_key"])
        line.event(line.status, line.status, by=by, reason=word).save()
    first, *others = lines
    tell_all(
        [
            news_of(first, recipient=said, word=word, by=by),
            *(news_of(line, recipient=said, by=by) for line in others),
        ]
    )


def corrected_word(before: Recipient, said: Mapping[str, str], reason: str) -> str:
    """What the company reads about a correction, with its reason where there is one; "" when
    nothing is changed.
    """
    told = _changes(before, said)
    if not told:
        return ""
    if reason:
        facts = {"why": reason, "changes": told}
        return kept(lambda: _("Recipient corrected (%(why)s). %(changes)s") % facts)
    return kept(lambda: _("Recipient corrected. %(changes)s") % {"changes": told})


def _changes(line: Recipient, said: Mapping[str, str]) -> str:
    """What is changed, as “postcode: 10115 → 10117; city: …”; "" for nothing."""
    changed = []
    for name in FIELDS:
        before, after = getattr(line, name), said[name]
        if before != after:
            if name == "country":
                before, after = name_of(before), name_of(after)
            changed.append(f"{_LABELS[name]}: {before or '–'} → {after or '–'}")
    return "; ".join(changed)


@transaction.atomic
def tell_company(*, parcel: Fulfillment, text: str, token: UUID, by: Actor) -> None:
    """Write a note about the parcel that the account manager reads in the order's timeline. A
    second call with the same token changes nothing.
    """
    lines = _held(parcel, by)
    if not text.strip():
        raise DeskError(_("Write what the account manager is to know."))
    first = lines[0]
    told = kept(lambda: _("Told to the company: %(text)s") % {"text": text.strip()})
    event = first.event(first.status, first.status, by=by, reason=told)
    event.pk = token
    before = FulfillmentEvent.objects.filter(pk=token, fulfillment__in=lines)
    if before.filter(by=by.person_id, reason=event.reason).exists():
        return
    try:
        with transaction.atomic():
            event.save(force_insert=True)
    except IntegrityError as error:  # something else was written with this token
        raise DeskError(_("This form was used before. Open the page again.")) from error
    tell_all([news_of(first, word=text.strip(), by=by)])
