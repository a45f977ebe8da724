"""The page of one order: the one object of its templates."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext as _

from accounts.permissions import may_redeem
from fulfillment.models import Shipment
from loyalty_portal.data.actor import Actor
from redemption.badges import Badge, line_look, order_look
from redemption.checkout.held import partner_trouble
from redemption.models import Letter, LoyaltyTransaction, OrderItem, RedemptionOrder
from redemption.orders.actions.cancelling import Cancellation, cancellation
from redemption.orders.facts import Facts, Pulse, facts_of, pulse_of
from redemption.orders.forms import RejectOrderForm
from redemption.orders.since import changed_since
from redemption.orders.steps import TimelineStep
from redemption.orders.timeline import timeline_of
from redemption.permissions import may_cancel, may_decide, may_reveal, placed
from redemption.states import UNCLEAR, OrderStatus, TransactionStatus


class LineShown(NamedTuple):
    """A line with its badge and what became of it."""

    item: OrderItem
    look: Badge
    parcels: list[Shipment]
    has_codes: bool
    arrived_partly: bool


class Movement(NamedTuple):
    """A debit, credit or correction of the order, as a row of the table of points."""

    intent: LoyaltyTransaction
    label: str
    settled: bool
    at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderPage:
    """An order as its company sees it."""

    order: RedemptionOrder
    look: Badge
    pulse: Pulse
    lines: list[LineShown]
    steps: list[TimelineStep]
    movements: list[Movement]
    letters: list[Letter]
    cancellation: Cancellation | None  # None when nothing can be cancelled or the seat may not
    cancel_typed: str | None  # the reason typed into a refused form to cancel
    can_decide: bool
    reject: RejectOrderForm  # only for those who can decide
    held: str  # why it cannot be approved now; "" when it can
    since: list[str]  # what changed in the catalogue since the order was placed
    waits_for_others: bool  # the seat's own order, which somebody else must approve
    can_reveal: bool
    can_repeat: bool

    @property
    def cost(self) -> int:
        """Points that the order has cost so far: those taken, less those given back."""
        return -sum(one.intent.signed_points for one in self.movements if one.settled)

    @property
    def latest(self) -> str:
        """The sentence that a screen reader says when the timeline changes."""
        return next(step.title for step in reversed(self.steps) if not step.ahead)

    @property
    def one_recipient(self) -> OrderItem | None:
        """The first line when all lines go to the same known person and place; None otherwise."""
        shared = {tuple(line.item.recipient().values()) for line in self.lines}
        first = self.lines[0].item
        return first if len(shared) == 1 and first.recipient_name else None


def order_page(
    actor: Actor,
    order: RedemptionOrder,
    reject: RejectOrderForm | None = None,
    cancel_typed: str | None = None,
) -> OrderPage:
    """Build the whole page. `reject` is a rejected form without a reason; `cancel_typed` is the
    reason typed into a refused form to cancel.
    """
    facts = facts_of(order)
    waits = order.status == OrderStatus.AWAITING_APPROVAL
    can_decide = waits and may_decide(actor, order)
    cancelling = _cancellation(facts)
    can_cancel = may_cancel(actor, order) and cancelling.possible and not can_decide
    return OrderPage(
        order=order,
        look=order_look(order, facts.items, facts.transactions),
        pulse=pulse_of(facts),
        lines=[_line(facts, item) for item in facts.items],
        steps=timeline_of(facts),
        movements=[_movement(intent) for intent in facts.transactions],
        letters=facts.letters,
        cancellation=cancelling if can_cancel else None,
        cancel_typed=cancel_typed,
        can_decide=can_decide,
        reject=reject or RejectOrderForm(order=order),
        held=_held(facts) if can_decide else "",
        since=changed_since([order])[order.pk] if can_decide else [],
        waits_for_others=waits and placed(actor, order),
        can_reveal=may_reveal(actor, order),
        can_repeat=may_redeem(actor) and order.is_final,
    )


def _held(facts: Facts) -> str:
    return partner_trouble().holds_approval(facts.order.products())


def _cancellation(facts: Facts) -> Cancellation:
    lines = ((item, facts.delivery(item)) for item in facts.items)
    return cancellation(
        facts.order, [(item, delivery.parcel, delivery.calls) for item, delivery in lines]
    )


def _line(facts: Facts, item: OrderItem) -> LineShown:
    delivery = facts.delivery(item)
    return LineShown(
        item=item,
        look=line_look(item, facts.order.company.time_zone),
        parcels=delivery.shipments,
        has_codes=delivery.has_codes,
        arrived_partly=0 < item.quantity_delivered < item.quantity,
    )


def _movement(intent: LoyaltyTransaction) -> Movement:
    settled = intent.status == TransactionStatus.SUCCEEDED
    if settled:
        label = intent.get_transaction_type_display()
    elif intent.status == TransactionStatus.REFUSED:
        label = _not_done(intent)
    elif intent.status in UNCLEAR:
        label = _("Not clear yet: taken?") if intent.is_debit else _("Not clear yet: given back?")
    elif intent.is_correction:
        label = _("Being taken again")
    else:
        label = _("Being taken") if intent.is_debit else _("Being given back")
    return Movement(intent, label, settled, intent.settled_at)


def _not_done(intent: LoyaltyTransaction) -> str:
    if intent.is_correction:
        return _("Not taken again")
    return _("Not taken") if intent.is_debit else _("Not given back")
