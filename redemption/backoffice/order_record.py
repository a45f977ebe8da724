"""Everything about one order for staff, in a fixed number of queries for any number of lines."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils.safestring import SafeString

from fulfillment.models import Channel, Fulfillment, FulfillmentEvent, PartnerCall, ShipmentLine
from fulfillment.states import OPEN_CALL, CallStatus
from loyalty_portal.data.actor import Actor
from redemption.backoffice.badges import transaction_badge
from redemption.backoffice.bodies import masked
from redemption.backoffice.selectors import LineRecord, RecordedEvent, recorded_event
from redemption.models import (
    Callback,
    Decision,
    EventSubject,
    IncidentCase,
    Letter,
    LoyaltyTransaction,
    OrderMessage,
    OrderMessageKind,
    OrderNote,
    RedemptionOrder,
)
from redemption.orders.actions.services import OPEN_BY_ITSELF, open_letters
from redemption.orders.page import LETTERS_SHOWN, LINES_SHOWN, LinesInStatus, statuses_shown

STEPS_SHOWN = 50  # the newest


class CallShown(NamedTuple):
    """A call to the partner, and what is sent."""

    call: PartnerCall
    body: str


class Try(NamedTuple):
    """One step of a call to the partner: what became of it, in words."""

    event: FulfillmentEvent
    word: str


@dataclass(frozen=True, slots=True)
class LineDetail:
    """A line with all that happened at the desk or at the partner."""

    record: LineRecord
    parcels: list[ShipmentLine]
    calls: list[CallShown]
    tries: list[Try]
    callbacks: list[Callback]


class PointsShown(NamedTuple):
    """A transaction with its badge and what is sent."""

    transaction: LoyaltyTransaction
    badge: SafeString
    body: str


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """The record of an order. It has no codes: only the company may see these."""

    lines: list[LineDetail]
    lines_in_all: int
    only: list[LinesInStatus]
    transactions: list[PointsShown]
    decisions: list[Decision]
    steps: list[RecordedEvent]
    letters: list[Letter]
    cases: list[IncidentCase]
    notes: list[OrderNote]
    messages: list[OrderMessage]
    is_asked: bool  # whether the company waits for an answer
    in_full: bool
    is_open: bool  # whether a call or letter waits for its next try
    in_short: bool  # whether something is left out that the page in full shows

    @property
    def more(self) -> int:
        """Lines that are not shown."""
        return self.lines_in_all - len(self.lines)

    @property
    def is_narrowed(self) -> bool:
        return any(each.chosen for each in self.only)


def lines_of(order: RedemptionOrder) -> list[LineRecord]:
    """All lines with their fulfillments and calls, in three queries."""
    lines = {item.pk: LineRecord(item) for item in order.items.all()}
    for record in lines.values():
        record.item.order = order
    of_order = order.items.order_by().values("pk")
    calls: dict[UUID, list[PartnerCall]] = defaultdict(list)
    for call in PartnerCall.objects.filter(fulfillment__reference__in=of_order):
        calls[call.fulfillment_id].append(call)
    parcels = Fulfillment.objects.filter(reference__in=of_order).select_related("claimed_by")
    for parcel in parcels:
        lines[parcel.reference].fulfillment = parcel
        lines[parcel.reference].calls = calls[parcel.pk]
    return list(lines.values())


def order_record(
    order: RedemptionOrder, lines: list[LineRecord], by: Actor, *, in_full: bool, only: str
) -> OrderRecord:
    """The record of an order whose `lines` are read already. Unless `in_full`, it has the first
    lines and the newest steps and letters; `only` is a status of lines, of which all are shown.
    """
    choices = statuses_shown([line.item for line in lines], only)
    if any(each.chosen for each in choices):
        chosen = [line for line in lines if line.item.fulfillment_status == only]
    else:
        chosen = lines if in_full else lines[:LINES_SHOWN]
    steps, letters = _steps(order, in_full=in_full), _letters(order, in_full=in_full)
    left_out = (steps.more, letters.more, not in_full and len(lines) > LINES_SHOWN)
    return OrderRecord(
        lines=_shown(chosen, by),
        lines_in_all=len(lines),
        only=choices,
        transactions=(moves := [_points(one) for one in order.transactions.select_related("item")]),
        decisions=list(_decisions(order)),
        steps=[recorded_event(event) for event in steps.rows],
        letters=letters.rows,
        cases=list(order.incident_cases.select_related("incident")),
        notes=list(order.staff_notes.select_related("by")),
        messages=(messages := list(order.messages.select_related("by"))),
        is_asked=bool(messages) and messages[-1].kind == OrderMessageKind.QUESTION,
        in_full=in_full,
        is_open=_is_open(order, lines, moves),
        in_short=any(left_out),
    )


def _is_open(order: RedemptionOrder, lines: list[LineRecord], moves: list[PointsShown]) -> bool:
    """Whether “Retry now” would hurry something."""
    return (
        any(call.status in OPEN_CALL for line in lines for call in line.calls)
        or any(each.transaction.status in OPEN_BY_ITSELF for each in moves)
        or open_letters(order).exists()
    )


class _Newest(NamedTuple):
    """The newest rows, in the order of time, and whether there are more."""

    rows: list[Any]
    more: bool


def _newest(rows: Any, most: int, *, in_full: bool) -> _Newest:
    if in_full:
        return _Newest(list(rows), more=False)
    found = list(rows.reverse()[: most + 1])
    return _Newest(found[:most][::-1], more=len(found) > most)


def _steps(order: RedemptionOrder, *, in_full: bool) -> _Newest:
    created = Q(subject=EventSubject.LINE, from_status="")  # one for each line, and says nothing
    events = order.events.exclude(created).select_related("by", "item", "transaction")
    return _newest(events, STEPS_SHOWN, in_full=in_full)


def _letters(order: RedemptionOrder, *, in_full: bool) -> _Newest:
    return _newest(order.letters.all(), LETTERS_SHOWN, in_full=in_full)


def _decisions(order: RedemptionOrder) -> Iterable[Decision]:
    about = Q(transaction__order=order) | Q(item__order=order)
    people = ("proposed_by", "decided_by")
    return Decision.objects.filter(about).select_related("transaction", "item", *people)


def _points(transaction: LoyaltyTransaction) -> PointsShown:
    body = masked(transaction.body, people=True)  # it is about an account, not about a person
    return PointsShown(transaction, transaction_badge(transaction), body)


def _shown(lines: list[LineRecord], by: Actor) -> list[LineDetail]:
    """The lines with parcels, tries and callbacks, in at most three queries for any number of
    lines.
    """
    held = [line.fulfillment for line in lines if line.fulfillment]
    sent = [each for each in held if each.quantity_shipped]
    there = [each for each in held if each.channel == Channel.PARTNER]
    parcels = _by_fulfillment(
        ShipmentLine.objects.filter(fulfillment__in=sent).select_related("shipment")
    )
    of_calls = FulfillmentEvent.objects.filter(fulfillment__in=there, to_status__in=CallStatus)
    tries = _by_fulfillment(of_calls.select_related("by"))
    callbacks: dict[str, list[Callback]] = defaultdict(list)
    named = Callback.objects.filter(reference__in=[str(each.pk) for each in there])
    for callback in named.defer("body").order_by("received_at", "id"):
        callbacks[callback.reference].append(callback)
    people = by.has_perm("fulfillment.view_fulfillment")
    return [
        LineDetail(
            line,
            parcels[line.fulfillment.pk] if line.fulfillment else [],
            [CallShown(call, masked(call.body, people=people)) for call in line.calls],
            [_try(event) for event in tries[line.fulfillment.pk]] if line.fulfillment else [],
            callbacks[str(line.fulfillment.pk)] if line.fulfillment else [],
        )
        for line in lines
    ]


def _try(event: FulfillmentEvent) -> Try:
    return Try(event, str(CallStatus(event.to_status).label))


def _by_fulfillment(rows: Iterable[Any]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.fulfillment_id].append(row)
    return found
