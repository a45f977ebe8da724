"""Reads all facts about one order, in a fixed number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, Subquery
from django.utils import timezone

from accounts.models import User
from catalog.models import Product
from fulfillment.models import (
    CodeReveal,
    Fulfillment,
    PartnerCall,
    Progress,
    ShipmentLine,
    VirtualCode,
)
from fulfillment.models.progress import CallTold
from fulfillment.states import CallStatus, FulfillmentStatus
from loyalty_portal.data.actor import Actor
from redemption.models import (
    Decision,
    EventSubject,
    IncidentCase,
    Letter,
    LineReturn,
    LoyaltyTransaction,
    OrderItem,
    OrderMessage,
    RecipientAsk,
    RedemptionOrder,
)
from redemption.orders.looks import StaffLooks, looks_at
from redemption.permissions import seen_by
from redemption.states import (
    FEW_LINES,
    OPEN_TRANSACTION,
    REMEDIES,
    DecisionStatus,
    IncidentKind,
    TransactionStatus,
    WaitsFor,
)

Row = TypeVar("Row", ShipmentLine, CodeReveal, "_AskedCall")


@dataclass(frozen=True, slots=True)
class LineDelivery:
    """What fulfillment knows about one line."""

    parcels: list[ShipmentLine] = field(default_factory=list)
    reveals: list[CodeReveal] = field(default_factory=list)
    has_codes: bool = False
    progress: Progress | None = None  # None: nothing can be withdrawn any more
    calls: Sequence[CallTold] = ()
    was_withdrawn: bool = False  # before the partner was asked for it
    is_unclear: bool = False  # the partner owes an answer for so long that people look into it
    since: datetime | None = None  # when it was passed on


NO_DELIVERY = LineDelivery()  # of a line that is not passed on yet


class EventTold(NamedTuple):
    """An event of the order or of a line, without what makes a model's row dear: 500 lines have a
    thousand and more.
    """

    subject: str
    from_status: str
    to_status: str
    reason: str
    at: datetime
    item_id: UUID | None
    by: User | None

    @property
    def by_id(self) -> UUID | None:
        return self.by.pk if self.by else None


@dataclass(frozen=True, slots=True)
class Facts:
    """One order with all that its company may see. `events` are those of the order and its
    lines; `refused` are the ids of credits that the partner refused and that are owed still.
    """

    order: RedemptionOrder
    items: list[OrderItem]
    transactions: Sequence[LoyaltyTransaction]
    events: list[EventTold]
    letters: list[Letter]
    deliveries: dict[UUID, LineDelivery]
    remedies: list[Decision] = field(default_factory=list)
    returns: list[LineReturn] = field(default_factory=list)
    asks: dict[tuple[str, str], RecipientAsk] = field(default_factory=dict)  # by name and e-mail
    messages: list[OrderMessage] = field(default_factory=list)
    looks: StaffLooks | None = None  # at an order that needs attention
    many: bool = False  # so many lines that they are told together
    refused: frozenset[UUID] = frozenset()

    def delivery(self, item: OrderItem) -> LineDelivery:
        return self.deliveries.get(item.pk, NO_DELIVERY)

    def ask(self, item: OrderItem) -> RecipientAsk | None:
        """Whom a line waits for, while it does."""
        if not (item.is_waiting and item.waits_for == WaitsFor.RECIPIENT):
            return None
        return self.asks.get((item.recipient_name, item.recipient_email))


def order_of(actor: Actor, number: str) -> RedemptionOrder | None:
    """The order with this number; None when it is not the company's own."""
    orders = seen_by(actor).filter(order_number=number.upper())
    return orders.select_related(
        "company", "account_manager__user", "decided_by", "placed_by"
    ).first()


def facts_of(order: RedemptionOrder, *, in_full: bool = False) -> Facts:
    """Read the facts. Unless `in_full`, the lines of an order of many are told together."""
    items = list(order.items.all())
    products = Product.objects.in_bulk({item.product_id for item in items})
    for item in items:
        item.product = products[item.product_id]
    transactions = list(order.transactions.annotate(trouble=_newest_trouble()))
    return Facts(
        order=order,
        items=items,
        transactions=transactions,
        refused=frozenset(each.pk for each in transactions if _is_refused(each, each.trouble)),
        events=_events(order),
        letters=list(order.letters.select_related("text_message")),
        deliveries=_deliveries(order),
        remedies=list(
            Decision.objects.filter(
                item__order=order,
                status=DecisionStatus.CONFIRMED,
                verdict__in=REMEDIES,
            )
        ),
        returns=_returns(items),
        asks=_asks(order, items),
        messages=list(order.messages.exclude(text="").select_related("by")),
        looks=looks_at(order),
        many=len(items) > FEW_LINES and not in_full,
    )


def _returns(items: list[OrderItem]) -> list[LineReturn]:
    """What came back, each with `why`: the reason for what was decided about its points, if it was.
    Makes no query when nothing did.
    """
    lines = [item.pk for item in items if item.quantity_returned]
    if not lines:
        return []
    decided = Decision.objects.filter(returned=OuterRef("pk"), status=DecisionStatus.CONFIRMED)
    known = {"why": Subquery(decided.values("evidence")[:1])}
    return list(LineReturn.objects.filter(item__in=lines).annotate(**known))


def _asks(order: RedemptionOrder, items: list[OrderItem]) -> dict[tuple[str, str], RecipientAsk]:
    """Who was asked where to send something. Makes no query when nobody was."""
    if not any(item.waits_for == WaitsFor.RECIPIENT for item in items):
        return {}
    return {(ask.name, ask.email): ask for ask in order.asks.defer("secret")}


def _newest_trouble() -> Subquery:
    """For each transaction, the kind of its newest incident case."""
    cases = IncidentCase.objects.filter(transaction=OuterRef("pk"))
    return Subquery(cases.order_by("-seen_at").values("incident__kind")[:1])


def _is_refused(intent: LoyaltyTransaction, trouble: str | None) -> bool:
    waits = intent.status == TransactionStatus.NEEDS_REVIEW
    return waits and trouble == IncidentKind.CREDIT_REFUSED


def _events(order: RedemptionOrder) -> list[EventTold]:
    created = Q(subject=EventSubject.LINE, from_status="")  # one for each line, and not told
    read = [EventSubject.ORDER, EventSubject.LINE, EventSubject.TOLD]
    told = order.events.filter(subject__in=read)
    rows: list[tuple[Any, ...]] = list(
        told.exclude(created).values_list(
            "subject", "from_status", "to_status", "reason", "at", "item_id", "by"
        )
    )
    people = User.objects.in_bulk({by for *_facts, by in rows} - {None})
    return [EventTold._make((*facts, people.get(by))) for *facts, by in rows]


class _AskedCall(NamedTuple):
    """A call to the partner, in the columns that count (fulfillment/models/progress.py)."""

    fulfillment_id: UUID
    kind: str
    status: str


def _deliveries(order: RedemptionOrder) -> dict[UUID, LineDelivery]:
    """The deliveries by line. Reads only the columns that the page needs: 500 lines have as many
    fulfillments and calls.
    """
    lines = order.items.order_by().values("pk")
    codes = VirtualCode.objects.valid().filter(fulfillment=OuterRef("pk"))
    unsent = PartnerCall.objects.filter(fulfillment=OuterRef("pk"), status=CallStatus.WITHDRAWN)
    rows = Fulfillment.objects.filter(reference__in=lines).annotate(
        has_codes=Exists(codes), was_withdrawn=Exists(unsent)
    )
    known = rows.values_list(
        "pk",
        "reference",
        "has_codes",
        "was_withdrawn",
        "attention",
        "created_at",
        *Progress._fields,
    )
    found = [(*row[:6], Progress._make(row[6:])) for row in known]
    # Only of these do the calls tell whether they can be withdrawn. By key, since the status may
    # have changed since it was read.
    asked = {pk for pk, *_row, at in found if at.status == FulfillmentStatus.REQUESTED}
    calls = PartnerCall.objects.filter(fulfillment__in=asked)
    of_order = {"fulfillment__reference__in": lines}
    parcels = _by_fulfillment(ShipmentLine.objects.filter(**of_order).select_related("shipment"))
    reveals = _by_fulfillment(CodeReveal.objects.filter(**of_order).select_related("by"))
    called = _by_fulfillment(map(_AskedCall._make, calls.values_list(*_AskedCall._fields)))
    return {
        line: LineDelivery(
            parcels[pk],
            reveals[pk],
            has_codes,
            at,
            called[pk],
            was_withdrawn,
            is_unclear=bool(attention) and pk in asked,
            since=since,
        )
        for pk, line, has_codes, was_withdrawn, attention, since, at in found
    }


def _by_fulfillment(rows: Iterable[Row]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.fulfillment_id].append(row)
    return found


# The longer nothing happened, the less often a page polls: (seconds without change, delay).
_DELAYS = ((30, 2), (5 * 60, 5), (60 * 60, 15))
LONGEST_DELAY = 60


@dataclass(frozen=True, slots=True)
class Pulse:
    """Tells an open page whether to reload, and when to ask. `beat` is the order's pulse, which
    grows with anything that the page shows; `last` is when something last happened, in seconds
    since 1970.
    """

    beat: int
    last: int
    over: bool = False  # nothing more will happen

    @property
    def delay(self) -> int:
        """Seconds until the next poll, 0 for never."""
        if self.over:
            return 0
        quiet = timezone.now().timestamp() - self.last
        return next((delay for age, delay in _DELAYS if quiet < age), LONGEST_DELAY)


def beat_of(actor: Actor, number: str) -> int | None:
    """The pulse of the order with this number; None when it is not the company's own."""
    return (
        seen_by(actor).filter(order_number=number.upper()).values_list("pulse", flat=True).first()
    )


def pulse_of(facts: Facts) -> Pulse:
    """The pulse of an order that was read with `facts`: its row before all others, so that what
    changes meanwhile shows at the next poll.
    """
    moments = (
        facts.order.created_at,
        *(event.at for event in facts.events),
        *(intent.settled_at for intent in facts.transactions),
        *(letter.sent_at for letter in facts.letters),
    )
    waits = any(intent.status in OPEN_TRANSACTION for intent in facts.transactions) or any(
        one.sent_at is None and one.next_attempt_at is not None
        for letter in facts.letters
        for one in (letter, letter.sms)
        if one is not None
    )
    last = max(moment for moment in moments if moment is not None)
    over = facts.order.is_final and not waits
    return Pulse(facts.order.pulse, int(last.timestamp()), over)
