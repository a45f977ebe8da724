"""Everything about one order for staff, in two round trips for any number of lines."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString

from fulfillment.models import Channel, Fulfillment, FulfillmentEvent, PartnerCall, ShipmentLine
from fulfillment.states import OPEN_CALL, CallStatus
from loyalty_portal.configuration.observability.traces import trace_id_of
from loyalty_portal.data.actor import Actor
from loyalty_portal.fastpath.together import read_together
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
    OrderEvent,
    OrderMessage,
    OrderMessageKind,
    OrderNote,
    RecipientAsk,
    RedemptionOrder,
)
from redemption.orders.actions.recipients import too_late
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

    @property
    def can_be_corrected(self) -> bool:
        """Whether it is not too late to correct its recipient."""
        return not too_late(self.record.item, self.record.fulfillment)


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
    asks: list[RecipientAsk]
    in_full: bool
    is_open: bool  # whether a call or letter waits for its next try
    in_short: bool  # whether something is left out that the page in full shows

    @property
    def more(self) -> int:
        """Lines that are not shown."""
        return self.lines_in_all - len(self.lines)

    @property
    def asked(self) -> OrderMessage | None:
        """The first question without an answer; None while the company waits for none."""
        newest = takewhile(lambda each: each.kind == OrderMessageKind.QUESTION, self.messages[::-1])
        return next(iter(list(newest)[::-1]), None)

    @property
    def request_id(self) -> str:
        """The request that took the points, as the log names it; "" when it is not known."""
        return next((each.transaction.request_id or "" for each in self.transactions), "")

    @property
    def trace_id(self) -> str:
        """Its trace; "" when there is none."""
        return next((trace_id_of(each.transaction.traceparent) for each in self.transactions), "")

    @property
    def is_narrowed(self) -> bool:
        return any(each.chosen for each in self.only)


def lines_of(order: RedemptionOrder) -> list[LineRecord]:
    """All lines with their fulfillments and calls."""
    of_order = order.items.order_by().values("pk")
    items, made, parcels = read_together(
        order.items.all(),
        PartnerCall.objects.filter(fulfillment__reference__in=of_order),
        Fulfillment.objects.filter(reference__in=of_order).select_related("claimed_by"),
    )
    lines = {item.pk: LineRecord(item) for item in items}
    for record in lines.values():
        record.item.order = order
    calls: dict[UUID, list[PartnerCall]] = defaultdict(list)
    for call in made:
        calls[call.fulfillment_id].append(call)
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
    found = _Lists(*read_together(*_asked(order, chosen, in_full=in_full)))
    steps = _newest(found.steps, STEPS_SHOWN, in_full=in_full)
    letters = _newest(found.letters, LETTERS_SHOWN, in_full=in_full)
    left_out = (steps.more, letters.more, not in_full and len(lines) > LINES_SHOWN)
    return OrderRecord(
        lines=_shown(chosen, found, by),
        lines_in_all=len(lines),
        only=choices,
        transactions=(moves := [_points(one) for one in found.transactions]),
        decisions=found.decisions,
        steps=[recorded_event(event) for event in steps.rows],
        letters=letters.rows,
        cases=found.cases,
        notes=found.notes,
        messages=found.messages,
        asks=found.asks,
        in_full=in_full,
        is_open=_is_open(lines, moves) or bool(found.open_letters),
        in_short=any(left_out),
    )


class _Lists(NamedTuple):
    """The rows that a record is made of."""

    steps: list[OrderEvent]
    letters: list[Letter]
    open_letters: list[Letter]  # at most one
    transactions: list[LoyaltyTransaction]
    decisions: list[Decision]
    cases: list[IncidentCase]
    notes: list[OrderNote]
    messages: list[OrderMessage]
    parcels: list[ShipmentLine]
    tries: list[FulfillmentEvent]
    callbacks: list[Callback]
    asks: list[RecipientAsk]


def _asked(
    order: RedemptionOrder, chosen: list[LineRecord], *, in_full: bool
) -> Iterable[QuerySet[Any]]:
    """The querysets of `_Lists`, in its order."""
    created = Q(subject=EventSubject.LINE, from_status="")  # one for each line, and says nothing
    # By their keys: with OR over two joins, PostgreSQL would read all decisions.
    about = Decision.objects.order_by().filter(transaction__order=order).values("pk")
    about = about.union(Decision.objects.order_by().filter(item__order=order).values("pk"))
    held = [line.fulfillment for line in chosen if line.fulfillment]
    letters = order.letters.select_related("text_message")
    sent = [each for each in held if each.quantity_shipped]
    there = [each for each in held if each.channel == Channel.PARTNER]
    events = order.events.exclude(created).select_related("by", "item", "transaction")
    calls = FulfillmentEvent.objects.filter(fulfillment__in=there, to_status__in=CallStatus)
    named = Callback.objects.filter(reference__in=[str(each.pk) for each in there])
    return (
        events if in_full else events.reverse()[: STEPS_SHOWN + 1],
        letters if in_full else letters.reverse()[: LETTERS_SHOWN + 1],
        open_letters(order)[:1],
        order.transactions.select_related("item"),
        Decision.objects.filter(pk__in=about).select_related(
            "transaction", "item", "proposed_by", "decided_by"
        ),
        order.incident_cases.select_related("incident"),
        order.staff_notes.select_related("by"),
        order.messages.select_related("by"),
        ShipmentLine.objects.filter(fulfillment__in=sent).select_related("shipment"),
        calls.select_related("by"),
        named.defer("body").order_by("received_at", "id"),
        order.asks.defer("secret").order_by("id"),
    )


def _is_open(lines: list[LineRecord], moves: list[PointsShown]) -> bool:
    """Whether “Retry now” would hurry a call."""
    return any(call.status in OPEN_CALL for line in lines for call in line.calls) or any(
        each.transaction.status in OPEN_BY_ITSELF for each in moves
    )


class _Newest(NamedTuple):
    """The newest rows, in the order of time, and whether there are more."""

    rows: list[Any]
    more: bool


def _newest(found: list[Any], most: int, *, in_full: bool) -> _Newest:
    """Of rows that were read: all in the order of time, or one more than `most`, newest first."""
    if in_full:
        return _Newest(found, more=False)
    return _Newest(found[:most][::-1], more=len(found) > most)


def _points(transaction: LoyaltyTransaction) -> PointsShown:
    body = masked(transaction.body, people=True)  # it is about an account, not about a person
    return PointsShown(transaction, transaction_badge(transaction), body)


def _shown(lines: list[LineRecord], found: _Lists, by: Actor) -> list[LineDetail]:
    """The lines with parcels, tries and callbacks."""
    parcels, tries = _by_fulfillment(found.parcels), _by_fulfillment(found.tries)
    callbacks: dict[str, list[Callback]] = defaultdict(list)
    for callback in found.callbacks:
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
