"""Opens fulfillments, does the work of the desk, and passes news on.

Locks are taken in one order everywhere (docs/architecture.md).
"""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from fulfillment import partner
from fulfillment.models import (
    CallKind,
    Channel,
    CodeReveal,
    Fulfillment,
    PartnerCall,
    Shipment,
    ShipmentLine,
    VirtualCode,
)
from fulfillment.news import news_of, tell, tell_all
from fulfillment.permissions import may_take_over, may_work_on
from fulfillment.states import TO_SEND, FulfillmentStatus
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.recipient import parcel_key
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.data.zones import next_working_day
from loyalty_portal.fastpath.sql import insert

PROMISE = {Channel.DESK: timedelta(days=3), Channel.PARTNER: timedelta(days=1)}


class DeskError(Exception):
    """An action on a fulfillment is not possible; the message is a sentence for the person who
    tried.
    """


@dataclass(frozen=True, slots=True)
class Parcel:
    """What to send to whom. `recipient` has the columns of loyalty_portal.data.recipient."""

    reference: uuid.UUID
    label: str
    channel: Channel
    sku: str
    product_name: str
    quantity: int
    recipient: Mapping[str, str]
    message: str = ""


def open_fulfillments(*, parcels: Sequence[Parcel]) -> list[Fulfillment]:
    """Queue parcels at the desk and write the calls to the partner, unsent, in the caller's
    transaction.
    """
    opened = [
        Fulfillment(
            reference=parcel.reference,
            label=parcel.label,
            channel=parcel.channel,
            sku=parcel.sku,
            product_name=parcel.product_name,
            quantity=parcel.quantity,
            message=parcel.message,
            parcel_key=parcel_key(parcel.label, parcel.recipient),
            status=FulfillmentStatus.QUEUED
            if parcel.channel == Channel.DESK
            else FulfillmentStatus.REQUESTED,
            promised_by=timezone.now() + PROMISE[parcel.channel],
            next_attempt_at=None,
            **parcel.recipient,
        )
        for parcel in parcels
    ]
    calls = [
        PartnerCall(
            fulfillment=fulfillment,
            kind=CallKind.REQUEST,
            key=f"fulfill:{fulfillment.id}",
            body=partner.request_body(
                reference=str(fulfillment.id),
                sku=fulfillment.sku,
                quantity=fulfillment.quantity,
                recipient={
                    "name": fulfillment.recipient_name,
                    "email": fulfillment.recipient_email,
                    "phone": fulfillment.recipient_phone,
                },
                message=fulfillment.message,
            ).decode(),
        )
        for fulfillment in opened
        if fulfillment.channel == Channel.PARTNER
    ]
    rows: list[Fulfillment | PartnerCall] = [*opened, *calls]
    insert([*rows, *(row.event("", row.status) for row in rows)])
    return opened


def locked(fulfillment: Fulfillment) -> Fulfillment:
    """The row as it is in the database now, locked until the transaction ends."""
    return Fulfillment.objects.select_for_update(no_key=True).get(pk=fulfillment.pk)


def all_locked(keys: Collection[UUID]) -> list[Fulfillment]:
    """These rows as they are in the database now, locked, in the order of their keys."""
    return Fulfillment.objects.filter(pk__in=keys).held()


def at_desk(fulfillment: Fulfillment, *statuses: str) -> Fulfillment:
    return checked(locked(fulfillment), statuses)


def checked(held: Fulfillment, statuses: Collection[str]) -> Fulfillment:
    """A locked row, if it is at the desk in one of these statuses. Raises DeskError otherwise."""
    if held.channel != Channel.DESK:
        raise DeskError(_("This one is delivered by the partner, not by the desk."))
    if held.status not in statuses:
        raise DeskError(
            _("This is not possible any more: it is “%(status)s” now.")
            % {"status": held.get_status_display().lower()}
        )
    return held


def _mine(fulfillment: Fulfillment, by: Actor, *statuses: str) -> Fulfillment:
    """Work of the desk that `by` or nobody has claimed. Raises DeskError for a colleague's."""
    return checked_mine(locked(fulfillment), by, *statuses)


def checked_mine(held: Fulfillment, by: Actor, *statuses: str) -> Fulfillment:
    """A locked row, if `by` may work on it. Raises DeskError otherwise."""
    checked(held, statuses or TO_SEND)
    if not may_work_on(by, held):
        raise DeskError(
            _("%(who)s is working on this one. Take it over first.") % {"who": held.claimed_by}
        )
    return held


def not_on_hold(lines: Iterable[Fulfillment]) -> None:
    """Raise DeskError if one of these is on hold."""
    for line in lines:
        if line.hold_reason:
            why = {"why": line.hold_reason}
            raise DeskError(_("This parcel is on hold: %(why)s. Release it first.") % why)


@transaction.atomic
def claim(*, fulfillment: Fulfillment, by: Actor) -> Fulfillment:
    """Assign it to `by`. A second person gets an error that names the first."""
    held = _mine(fulfillment, by)
    not_on_hold([held])
    if not held.is_claimed:
        assign(held, to=by.user_id, by=by, reason=kept(lambda: _("Claimed")))
        tell(held, by=by)
    return held


@transaction.atomic
def take_over(*, fulfillment: Fulfillment, whose: UUID | None, by: Actor) -> Fulfillment:
    """Assign it to `by` instead of the person with the key `whose`, who had it when `by` last
    looked.
    """
    held = at_desk(fulfillment, *TO_SEND)
    if not may_take_over(by, held) or held.claimed_by_id != whose:
        raise DeskError(_("Somebody has worked on this since the page was made. Look again."))
    from_whom = kept(lambda: _("Taken over from %(who)s") % {"who": held.claimed_by})
    assign(held, to=by.user_id, by=by, reason=from_whom)
    record(TrailKind.TAKEN_OVER, by=by, about=held, what=held.label, facts={"from": str(whose)})
    return held


@transaction.atomic
def unclaim(*, fulfillment: Fulfillment, by: Actor) -> Fulfillment:
    """Return one's own work to the queue."""
    held = _mine(fulfillment, by)
    if held.is_claimed:
        assign(held, to=None, by=by, reason=kept(lambda: _("Put back")))
        tell(held, by=by)
    return held


def assign(held: Fulfillment, *, to: UUID | None, by: Actor, reason: str) -> None:
    """Let the person with the key `to` work on a locked row for one working day; None: nobody."""
    held.claimed_by_id = to
    held.claimed_until = None
    if to is not None:
        now = timezone.now()
        held.claimed_until = next_working_day(now, timezone.get_default_timezone_name())
    held.save(update_fields=["claimed_by", "claimed_until"])
    held.event(held.status, held.status, by=by, reason=reason).save()


@transaction.atomic
def pack(*, fulfillment: Fulfillment, by: Actor) -> Fulfillment:
    """Mark its open units as packed. Packing unclaimed work claims it."""
    held = claim(fulfillment=fulfillment, by=by)
    if held.status != FulfillmentStatus.QUEUED:
        raise DeskError(_("It is packed already."))
    held.transition(FulfillmentStatus.PACKED, by=by)
    tell(held, by=by)
    return held


def ship(
    *, fulfillment: Fulfillment, quantity: int, carrier: str, tracking_number: str, by: Actor
) -> Shipment:
    """Ship `quantity` of the open units; the others go back to the queue."""
    units = {fulfillment.pk: quantity}
    return ship_together(units=units, carrier=carrier, tracking_number=tracking_number, by=by)


@transaction.atomic
def ship_together(
    *, units: Mapping[UUID, int], carrier: str, tracking_number: str, by: Actor
) -> Shipment:
    """Ship units of packed fulfillments, by their keys, to their recipient in one parcel. What is
    left of them goes back to the queue.
    """
    rows = [checked_mine(row, by, FulfillmentStatus.PACKED) for row in all_locked(units)]
    not_on_hold(rows)
    if not rows or len(rows) != len(units):
        raise DeskError(_("There is nothing to ship."))
    if len({(row.label, *row.recipient().values()) for row in rows}) > 1:
        raise DeskError(_("One parcel goes to one recipient of one order."))
    for row in rows:
        if not 1 <= units[row.pk] <= row.open_quantity:
            raise DeskError(
                _("Between 1 and %(open)s pieces can be shipped.") % {"open": row.open_quantity}
            )
    if not carrier.strip():
        raise DeskError(_("Say which carrier takes the parcel."))
    shipment = Shipment.objects.create(
        carrier=carrier.strip(),
        tracking_number=tracking_number.strip(),
        shipped_by_id=by.user_id,
    )
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, fulfillment=row, quantity=units[row.pk]) for row in rows
    )
    for row in rows:
        _ship_of(row, units[row.pk], str(shipment), by)
    facts = {
        "carrier": shipment.carrier,
        "tracking": shipment.tracking_number,
        "shipment": str(shipment.pk),
    }
    tell_all(
        [
            news_of(row, shipped=units[row.pk], consumed=units[row.pk], by=by, facts=facts)
            for row in rows
        ]
    )
    return shipment


def _ship_of(held: Fulfillment, quantity: int, told: str, by: Actor) -> None:
    rest = held.open_quantity - quantity
    held.transition(
        FulfillmentStatus.QUEUED if rest else FulfillmentStatus.SHIPPED,
        by=by,
        reason=of_all(kept(lambda: _("%(n)s of %(all)s shipped: %(what)s")), quantity, held, told),
        quantity_shipped=held.quantity_shipped + quantity,
        quantity_picked=min(rest, max(0, held.quantity_picked - quantity)),
    )


@transaction.atomic
def deliver(*, shipment: Shipment, by: Actor) -> list[Fulfillment]:
    """Record that the parcel has arrived. Returns its fulfillments. A second time changes
    nothing.
    """
    units = dict(shipment.lines.values_list("fulfillment_id", "quantity"))
    rows = all_locked(units)
    arrived = Shipment.objects.filter(pk=shipment.pk, delivered_at__isnull=True)
    if not arrived.update(delivered_at=timezone.now()):
        raise DeskError(_("This parcel is marked as delivered already."))
    for row in rows:
        row.quantity_delivered += units[row.pk]
        row.save(update_fields=["quantity_delivered"])
        arrived_now = kept(lambda: _("%(n)s of %(all)s arrived: %(what)s"))
        told = of_all(arrived_now, units[row.pk], row, str(shipment))
        _close_desk_work(row, by=by, reason=told)
    facts = {"shipment": str(shipment.pk)}
    tell_all([news_of(row, delivered=units[row.pk], by=by, facts=facts) for row in rows])
    return rows


@transaction.atomic
def cannot_supply(
    *, fulfillment: Fulfillment, quantity: int | None, reason: str, by: Actor
) -> Fulfillment:
    """Give up `quantity` (None: all) of the open units. Their points are given back, and their
    pieces are written off.
    """
    held = _mine(fulfillment, by)
    missing = held.open_quantity if quantity is None else quantity
    if not 1 <= missing <= held.open_quantity:
        raise DeskError(
            _("Between 1 and %(open)s pieces are still open.") % {"open": held.open_quantity}
        )
    if not reason.strip():
        raise DeskError(_("Say why it cannot be supplied; the company reads it."))
    held.quantity_failed += missing
    held.reason = reason.strip()[:255]
    held.save(update_fields=["quantity_failed", "reason"])
    given_up = kept(lambda: _("%(n)s of %(all)s cannot be supplied: %(what)s"))
    _close_desk_work(held, by=by, reason=of_all(given_up, missing, held, held.reason))
    tell(held, lost=missing, gone=True, reason=held.reason, by=by)
    all_came_back(held, by=by, reason=reason)
    return held


def _close_desk_work(held: Fulfillment, *, by: Actor, reason: str) -> None:
    """Set the final status once no unit is open: failed, shipped, or delivered when all parcels
    have arrived.

    If the status stays the same, only an event is written.
    """
    before = held.status
    if not held.open_quantity:
        _close(held, by=by, reason=reason)
    if held.status == before:
        held.event(before, before, by=by, reason=reason).save()


def of_all(words: str, units: int, held: Fulfillment, what: str) -> str:
    return words % {"n": units, "all": held.quantity, "what": what}


def _close(held: Fulfillment, *, by: Actor, reason: str) -> None:
    if not held.quantity_shipped:
        held.transition(FulfillmentStatus.FAILED, by=by, reason=reason, settled_at=timezone.now())
        return
    if held.status != FulfillmentStatus.SHIPPED:
        held.transition(FulfillmentStatus.SHIPPED, by=by, reason=reason)
        tell(held, by=by)
    if held.quantity_delivered == held.quantity_shipped:
        held.transition(
            FulfillmentStatus.DELIVERED, by=by, reason=reason, settled_at=timezone.now()
        )


def all_came_back(held: Fulfillment, *, by: Actor, reason: str) -> None:
    """Set the status once nothing of what was delivered is left with the recipient."""
    if held.status == FulfillmentStatus.DELIVERED and not held.with_recipient:
        held.transition(FulfillmentStatus.RETURNED, by=by, reason=reason)
        tell(held, reason=reason, by=by)


def find(reference: uuid.UUID) -> Fulfillment | None:
    """The fulfillment for an order line; None while the line has none."""
    return Fulfillment.objects.filter(reference=reference).first()


@transaction.atomic
def reveal_codes(
    *, fulfillment: Fulfillment, by: Actor, number: int | None = None
) -> list[VirtualCode]:
    """Return the codes for a person who asked to see them, and record who saw them. `number`: of
    these only the one with this number, from 1.

    Unreadable codes (VirtualCode.can_be_read) are among them, and raise an incident.
    """
    codes = list(VirtualCode.objects.valid().filter(fulfillment=fulfillment))
    codes = codes if number is None else codes[number - 1 : number]
    readable = [code for code in codes if code.can_be_read()]
    if readable:
        CodeReveal.objects.create(fulfillment=fulfillment, by_id=by.user_id)
        record(
            TrailKind.CODE_REVEALED,
            by=by,
            about=fulfillment,
            what=f"{fulfillment.label} · {fulfillment.product_name}",
            facts={"codes": len(readable)} | ({"number": number} if number else {}),
        )
    if len(readable) < len(codes):
        tell_unreadable(locked(fulfillment))
    return codes


def tell_unreadable(held: Fulfillment) -> None:
    """Raise an incident about an unreadable code of `held`, which the caller has locked."""
    tell(held, attention=_("A stored code of this line cannot be read."), trouble="UNREADABLE")
