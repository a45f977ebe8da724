"""What staff pages read: open problems, and everything about one order."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy

from fulfillment.models import Channel, Fulfillment, PartnerCall, Progress
from fulfillment.permissions import nothing_to_decide
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.texts.numbers import grouped
from redemption.models import (
    Callback,
    CallbackState,
    Decision,
    EventSubject,
    Incident,
    Letter,
    LineReturn,
    LoyaltyTransaction,
    OrderEvent,
    OrderItem,
    RedemptionOrder,
)
from redemption.models.badges import line_word
from redemption.models.waits import wait_told
from redemption.permissions import may_second, seen_incidents
from redemption.states import (
    ABOUT_UNITS,
    DecisionStatus,
    LineStatus,
    OrderStatus,
    TransactionStatus,
)

PUZZLING = (CallbackState.PARKED, CallbackState.PUZZLING)

_WORDS: dict[str, dict[str, Any]] = {
    EventSubject.ORDER: dict(OrderStatus.choices),
    EventSubject.LINE: dict(LineStatus.choices),
    EventSubject.TRANSACTION: dict(TransactionStatus.choices),
    EventSubject.NOTE: {},
    EventSubject.TOLD: {LineStatus.CANCELLED: gettext_lazy("Asked to stop")},
}


def needing_attention() -> QuerySet[RedemptionOrder]:
    return RedemptionOrder.objects.filter(needs_attention=True)


def unresolved_incidents(actor: Actor) -> QuerySet[Incident]:
    """Unresolved incidents that the actor may see and that are not snoozed, the most severe
    first.
    """
    return seen_incidents(actor, Incident.objects.unresolved().awake()).select_related("order")


def troubled_letters() -> QuerySet[Letter]:
    return Letter.objects.filter(sent_at__isnull=True).exclude(problem="")


def puzzling_callbacks() -> QuerySet[Callback]:
    return Callback.objects.filter(state__in=PUZZLING)


def due_returns(item: OrderItem) -> QuerySet[LineReturn]:
    """What came back of the line and was not decided about, the oldest first."""
    return item.returns.filter(decided_at=None).order_by("recorded_at", "id")


def undecided_returns() -> QuerySet[LineReturn]:
    """What came back of all lines, and nobody decided about its points."""
    return LineReturn.objects.filter(decided_at=None)


def proposals_for(actor: Actor) -> QuerySet[Decision] | None:
    """Open proposals of others that the actor may confirm or reject; None if they may decide
    nothing.
    """
    units = Q(verdict__in=ABOUT_UNITS)
    about = [
        kind
        for permission, kind in (
            ("redemption.decide_transaction", Q(transaction__isnull=False)),
            ("redemption.decide_delivery", Q(item__isnull=False) & ~units),
            ("redemption.decide_credit", units & ~Q(returned__recorded_by=actor.user_id)),
        )
        if actor.has_perm(permission)
    ]
    if not about:
        return None
    rows = Decision.objects.filter(reduce(or_, about), status=DecisionStatus.PROPOSED)
    return rows.exclude(proposed_by=actor.user_id).select_related(
        "transaction__order", "item__order", "proposed_by"
    )


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event in words. `what` is the line or the transaction that it is about."""

    event: OrderEvent
    what: str
    before: str
    after: str


@dataclass(slots=True)
class LineRecord:
    """A line with its fulfillment and the calls to the partner about it."""

    item: OrderItem
    fulfillment: Fulfillment | None = None
    calls: list[PartnerCall] = field(default_factory=list)

    @property
    def progress(self) -> Progress | None:
        return self.fulfillment.progress if self.fulfillment else None

    @property
    def word(self) -> str:
        """Its status in a word."""
        return str(line_word(self.item))

    @property
    def waits(self) -> str:
        """How long it waits, in a sentence; "" when it does not."""
        return wait_told(self.item, self.item.order.company.time_zone)

    @property
    def undecided(self) -> bool:
        """Whether the partner gave no clear answer, so that two people must decide."""
        parcel = self.fulfillment
        if parcel is None or parcel.channel != Channel.PARTNER:
            return False
        return not nothing_to_decide(parcel, self.calls)


def line_records(items: Iterable[OrderItem], *, with_parcels: bool = True) -> list[LineRecord]:
    """Read the records of lines, in two queries for any number of lines, or in four with what was
    shipped.
    """
    lines = {item.pk: LineRecord(item) for item in items}
    parcels = Fulfillment.objects.filter(reference__in=lines).select_related("claimed_by")
    calls: dict[object, list[PartnerCall]] = defaultdict(list)
    for call in PartnerCall.objects.filter(fulfillment__reference__in=lines):
        calls[call.fulfillment_id].append(call)
    if with_parcels:
        parcels = parcels.prefetch_related("shipment_lines__shipment")
    for parcel in parcels:
        lines[parcel.reference].fulfillment = parcel
        lines[parcel.reference].calls = calls[parcel.pk]
    return list(lines.values())


def decided(about: LoyaltyTransaction | OrderItem, actor: Actor) -> dict[str, object]:
    """The template variables of admin/redemption/_decide.html and _decided.html."""
    made = list(about.decisions.select_related("proposed_by", "decided_by", "returned"))
    waiting = [each for each in made if each.status == DecisionStatus.PROPOSED]
    return {
        "decisions": [each for each in made if each.status != DecisionStatus.PROPOSED],
        "proposal": waiting[0] if waiting else None,
        "own": bool(waiting) and not may_second(actor, waiting[0]),
    }


def events_of(about: LoyaltyTransaction | OrderItem) -> QuerySet[OrderEvent]:
    """What happened to a transaction or a line; found by its order, whose events have an index."""
    events: QuerySet[OrderEvent] = about.events.filter(order=about.order_id)
    return events.select_related("by", "item", "transaction")


def proposal_of(about: LoyaltyTransaction | OrderItem) -> UUID | None:
    """The id of the open proposal about a transaction or a line; None without one."""
    waiting = about.decisions.filter(status=DecisionStatus.PROPOSED)
    return waiting.values_list("pk", flat=True).first()


def recorded_event(event: OrderEvent) -> RecordedEvent:
    """Put an event into words. Its item and transaction must be loaded."""
    words = _WORDS[event.subject]
    return RecordedEvent(
        event=event,
        what=_about(event),
        before=words.get(event.from_status, event.from_status),
        after=words.get(event.to_status, event.to_status),
    )


def _about(event: OrderEvent) -> str:
    if event.transaction:
        kind = event.transaction.get_transaction_type_display()
        return f"{kind} {grouped(event.transaction.points_amount)}"
    return str(event.item) if event.item else ""
