"""Reads the queue of the desk, and the parcels in it."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Upper
from django.utils import timezone

from fulfillment.models import (
    Channel,
    Fulfillment,
    FulfillmentEvent,
    FulfillmentQuerySet,
    Shipment,
    ShipmentLine,
)
from fulfillment.permissions import FREE, WORK, claimed
from fulfillment.states import TO_SEND
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.people import staff_who_may
from loyalty_portal.data.tables.places import Place

SOON = timedelta(days=1)
PAGE = 20  # parcels of the queue that are shown at once
MOST_EVENTS = 8
MOST_LINES = 500  # lines of one parcel or order that are shown; an order has no more


@dataclass(frozen=True, slots=True)
class QueueByAge:
    """The numbers of parcels to be sent that are not on hold: past the promised date, within a day
    of it, and later.
    """

    late: int
    soon: int
    later: int


class QueueRow(NamedTuple):
    """A parcel in the queue. `head` is its most urgent line and stands for the parcel."""

    head: Fulfillment
    lines: int
    pieces: int  # open ones
    is_picked: bool


class QueuePage(NamedTuple):
    """Some parcels of the queue. `after` is where the next page begins; "" when it has none."""

    rows: list[QueueRow]
    after: str


def desk() -> FulfillmentQuerySet:
    """All fulfillments of the desk, the most urgent promise first."""
    return Fulfillment.objects.filter(channel=Channel.DESK).order_by("promised_by", "id")


def waiting() -> FulfillmentQuerySet:
    """Fulfillments that are still to be sent."""
    return desk().filter(status__in=TO_SEND)


def lines_of(parcel: Fulfillment) -> FulfillmentQuerySet:
    """The lines of the parcel that are still to be sent, the most urgent first. Any of its lines
    stands for a parcel. What has no key was opened by a version before 0.3, and is sent alone.
    """
    if parcel.parcel_key:
        return waiting().filter(parcel_key=parcel.parcel_key)
    return waiting().filter(pk=parcel.pk)


def heads() -> QuerySet[Fulfillment]:
    """The most urgent line of each parcel that is to be sent."""
    same = waiting().exclude(parcel_key="").filter(parcel_key=OuterRef("parcel_key"))
    sooner = same.filter(
        Q(promised_by__lt=OuterRef("promised_by"))
        | Q(promised_by=OuterRef("promised_by"), id__lt=OuterRef("id"))
    )
    return waiting().filter(~Exists(sooner.order_by()))


SHOWN = ("all", "mine", "free", "late", "held")
AGES = ("soon", "later")  # further filters, to which the first page leads


def shown(actor: Actor, which: str) -> QuerySet[Fulfillment]:
    """The parcels of a filter, by their heads: one of SHOWN or AGES. What is on hold is only in
    "held".
    """
    rows = heads()
    if which == "held":
        return rows.exclude(hold_reason="")
    rows = rows.filter(hold_reason="")
    if which == "mine":
        return rows.filter(claimed(actor))
    if which == "free":
        return rows.filter(FREE)
    now = timezone.now()
    if which == "late":
        return rows.filter(promised_by__lt=now)
    if which == "soon":
        return rows.filter(promised_by__gte=now, promised_by__lt=now + SOON)
    return rows.filter(promised_by__gte=now + SOON) if which == "later" else rows


def to_do(actor: Actor, which: str = "all") -> QuerySet[Fulfillment]:
    """The parcels of a filter that the actor may go on with: own ones and free ones."""
    return shown(actor, which).filter(FREE | claimed(actor), hold_reason="")


def queue_page(actor: Actor, which: str, after: str = "") -> QueuePage:
    """A page of the queue, in two queries, however long the queue is."""
    rows = shown(actor, which).select_related("claimed_by")
    if begins := Place.read(after):
        rows = rows.filter(begins.later("promised_by"))
    found = list(rows[: PAGE + 1])
    page, more = found[:PAGE], found[PAGE:]
    last = page[-1] if more else None
    return QueuePage(_rows(page), str(Place(last.promised_by, last.pk)) if last else "")


def _rows(heads_shown: Sequence[Fulfillment]) -> list[QueueRow]:
    keys = {head.parcel_key for head in heads_shown} - {""}
    together: dict[str, list[Fulfillment]] = defaultdict(list)
    for line in waiting().filter(parcel_key__in=keys):
        together[line.parcel_key].append(line)
    rows = []
    for head in heads_shown:
        lines = together.get(head.parcel_key, [head])
        pieces = sum(line.open_quantity for line in lines)
        picked = all(line.quantity_picked >= line.open_quantity for line in lines)
        rows.append(QueueRow(head, len(lines), pieces, picked))
    return rows


def state_of(lines: Iterable[Fulfillment]) -> str:
    """A digest of how far the lines of a parcel are: what a page shows, and what a form was made
    for. It changes with each piece that is shipped or given up, and with the recipient.
    """
    rows = sorted((str(line.pk), line.open_quantity, line.parcel_key) for line in lines)
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class ParcelShown:
    """A parcel as its page shows it. `line` stands for it; `lines` are still to be sent, `sent`
    is what was sent of the order.
    """

    line: Fulfillment
    lines: list[Fulfillment]
    sent: list[ShipmentLine]
    events: list[FulfillmentEvent]

    @property
    def state(self) -> str:
        return state_of(self.lines)

    @property
    def claimed_line(self) -> Fulfillment | None:
        return next((line for line in self.lines if line.is_claimed), None)

    @property
    def hold_reason(self) -> str:
        return self.lines[0].hold_reason if self.lines else ""

    @property
    def pieces(self) -> int:
        return sum(line.open_quantity for line in self.lines)


def parcel_shown(pk: UUID) -> ParcelShown | None:
    """The parcel of a line; None if the desk has no such line. Four queries."""
    line = desk().select_related("claimed_by").filter(pk=pk).first()
    if line is None:
        return None
    lines = list(lines_of(line).select_related("claimed_by")[:MOST_LINES])
    told = FulfillmentEvent.objects.filter(fulfillment__in=[each.pk for each in lines] or [pk])
    events = list(told.select_related("by").order_by("-at", "-id")[:MOST_EVENTS])
    return ParcelShown(lines[0] if lines else line, lines, sent_lines(line.label), events)


def open_parcels(pks: Collection[UUID]) -> list[list[Fulfillment]]:
    """The open lines of the parcels of these lines, the most urgent parcel first. Two queries."""
    chosen = list(waiting().filter(pk__in=pks))
    keys = {line.parcel_key for line in chosen} - {""}
    together: dict[str, list[Fulfillment]] = defaultdict(list)
    for line in waiting().filter(parcel_key__in=keys):
        together[line.parcel_key].append(line)
    alone = [[line] for line in chosen if not line.parcel_key]
    return sorted([*together.values(), *alone], key=lambda lines: lines[0].promised_by)


def sent_lines(label: str) -> list[ShipmentLine]:
    """What was sent of an order, parcel by parcel."""
    rows = ShipmentLine.objects.filter(fulfillment__label=label)
    return list(rows.select_related("shipment__shipped_by", "fulfillment")[:MOST_LINES])


def tracked_as(number: str) -> QuerySet[Shipment]:
    """The parcels with this tracking number, in capitals and without spaces."""
    return Shipment.objects.alias(number=Upper("tracking_number")).filter(number=number)


def lines_tracked_as(number: str) -> QuerySet[ShipmentLine]:
    """The lines of these parcels. They are cut before the join, because PostgreSQL expects more
    parcels of one number than there are.
    """
    sent = tracked_as(number).order_by().values("pk")[:MOST_LINES]
    return ShipmentLine.objects.filter(shipment__in=sent)


def usual_carrier(actor: Actor) -> str:
    """The carrier that the person used last; "" before the first parcel."""
    own = Shipment.objects.filter(shipped_by=actor.user_id, shipped_by__isnull=False)
    return own.order_by("-shipped_at").values_list("carrier", flat=True).first() or ""


def workers() -> QuerySet[Any]:
    """The people who may work at the desk."""
    return staff_who_may(f"fulfillment.{WORK}")


def queue_by_age() -> QueueByAge:
    """The parcels of the queue by age, in one query: each as its filter of the desk shows it."""
    now = timezone.now()
    late, soon = Q(promised_by__lt=now), Q(promised_by__gte=now, promised_by__lt=now + SOON)
    rows = heads().filter(hold_reason="").order_by()
    counts = rows.aggregate(late=Count("pk", late), soon=Count("pk", soon), all=Count("pk"))
    later = counts["all"] - counts["late"] - counts["soon"]
    return QueueByAge(late=counts["late"], soon=counts["soon"], later=later)
