"""Reads the queue of the desk, and the parcels in it."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from fulfillment.models import Channel, Fulfillment, Shipment, ShipmentLine
from fulfillment.permissions import FREE, WORK, claimed
from fulfillment.states import TO_SEND
from loyalty_portal.data.actor import Actor

SOON = timedelta(days=1)
PAGE = 20  # parcels of the queue that are shown at once
MOST_LINES = 500  # lines of one parcel or order that are shown; an order has no more


@dataclass(frozen=True, slots=True)
class QueueByAge:
    """The numbers of lines to be sent: past the promised date, within a day of it, and later."""

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


def desk() -> QuerySet[Fulfillment]:
    """All fulfillments of the desk, the most urgent promise first."""
    return Fulfillment.objects.filter(channel=Channel.DESK).order_by("promised_by", "id")


def waiting() -> QuerySet[Fulfillment]:
    """Fulfillments that are still to be sent."""
    return desk().filter(status__in=TO_SEND)


def lines_of(parcel: Fulfillment) -> QuerySet[Fulfillment]:
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


def shown(actor: Actor, which: str) -> QuerySet[Fulfillment]:
    """The parcels of a filter, by their heads: one of SHOWN. What is on hold is only in "held"."""
    rows = heads()
    if which == "held":
        return rows.exclude(hold_reason="")
    rows = rows.filter(hold_reason="")
    if which == "mine":
        return rows.filter(claimed(actor))
    if which == "free":
        return rows.filter(FREE)
    return rows.filter(promised_by__lt=timezone.now()) if which == "late" else rows


def to_do(actor: Actor, which: str = "all") -> QuerySet[Fulfillment]:
    """The parcels of a filter that the actor may go on with: own ones and free ones."""
    return shown(actor, which).filter(FREE | claimed(actor), hold_reason="")


def queue_page(actor: Actor, which: str, after: str = "") -> QueuePage:
    """A page of the queue, in two queries, however long the queue is."""
    rows = shown(actor, which).select_related("claimed_by")
    if begins := _place(after):
        promised, pk = begins
        rows = rows.filter(Q(promised_by__gt=promised) | Q(promised_by=promised, id__gt=pk))
    found = list(rows[: PAGE + 1])
    page, more = found[:PAGE], found[PAGE:]
    last = page[-1] if more else None
    return QueuePage(_rows(page), f"{last.promised_by.isoformat()}_{last.pk}" if last else "")


def _place(after: str) -> tuple[datetime, UUID] | None:
    """Where a page begins; None for the first page, and for what is no such place."""
    promised, _, pk = after.partition("_")
    try:
        moment = parse_datetime(promised)
        return (moment, UUID(pk)) if moment and moment.tzinfo else None
    except ValueError:
        return None


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


def sent_lines(label: str) -> list[ShipmentLine]:
    """What was sent of an order, parcel by parcel."""
    rows = ShipmentLine.objects.filter(fulfillment__label=label)
    return list(rows.select_related("shipment__shipped_by", "fulfillment")[:MOST_LINES])


def usual_carrier(actor: Actor) -> str:
    """The carrier that the person used last; "" before the first parcel."""
    own = Shipment.objects.filter(shipped_by=actor.user_id, shipped_by__isnull=False)
    return own.order_by("-shipped_at").values_list("carrier", flat=True).first() or ""


def colleagues(actor: Actor) -> list[Any]:
    """The other people who may work at the desk."""
    people: Any = get_user_model().objects
    able = people.with_perm(f"fulfillment.{WORK}", include_superusers=True)
    return list(able.filter(is_staff=True).exclude(pk=actor.user_id).order_by("name", "email"))


def queue_by_age() -> QueueByAge:
    """The counts of the queue, in one query."""
    now = timezone.now()
    late, soon = Q(promised_by__lt=now), Q(promised_by__gte=now, promised_by__lt=now + SOON)
    counts = waiting().aggregate(late=Count("pk", late), soon=Count("pk", soon), all=Count("pk"))
    later = counts["all"] - counts["late"] - counts["soon"]
    return QueueByAge(late=counts["late"], soon=counts["soon"], later=later)
