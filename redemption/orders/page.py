"""The page of one order: the one object of its templates."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.permissions import may_redeem
from fulfillment.models import ShipmentLine
from loyalty_portal.data.actor import Actor
from redemption.checkout.held import partner_trouble
from redemption.checkout.limits import over_if_approved
from redemption.models import (
    Letter,
    LoyaltyTransaction,
    OrderItem,
    OrderMessage,
    RecipientAsk,
    RedemptionOrder,
)
from redemption.models.badges import Badge, line_look, order_look
from redemption.models.messages import TO_APPROVERS
from redemption.models.orders import signed
from redemption.orders.actions.cancelling import Cancellation, cancellation
from redemption.orders.facts import Facts, Pulse, facts_of, pulse_of
from redemption.orders.forms import QuestionForm, RejectOrderForm
from redemption.orders.since import changed_since
from redemption.orders.steps.standing import standing_of, title_of
from redemption.orders.steps.step import TimelineStep
from redemption.orders.timeline import timeline_of
from redemption.permissions import (
    Right,
    may_ask,
    may_cancel,
    may_resend,
    may_reveal,
    right_to_decide,
)
from redemption.states import UNCLEAR, LineStatus, OrderStatus, TransactionStatus, WaitsFor

LINES_SHOWN = 20
LETTERS_SHOWN = 20  # the newest


class LineShown(NamedTuple):
    """A line with its badge and what became of it."""

    item: OrderItem
    look: Badge
    parcels: list[ShipmentLine]
    has_codes: bool
    tells_units: bool  # how many units arrived, came back, and of how many points went back
    sent_message: str  # the message as the recipient gets it
    cancellation: Cancellation | None  # what cancelling this line alone would do, where it can be
    ask: RecipientAsk | None  # the recipient who is asked where to send it, while it waits
    waits_for_answer: bool
    can_resend: bool  # whether our partner can send its codes again, and the actor may ask for it


class LinesInStatus(NamedTuple):
    """How many lines of an order have one status, as a link that shows only these."""

    status: str
    label: str
    lines: int
    chosen: bool


class Movement(NamedTuple):
    """A debit, credit or correction of the order, as a row of the table of points; or several
    alike, with the newest moment and no reference.
    """

    label: str
    settled: bool
    at: datetime | None
    points: int
    is_debit: bool
    reference: str


@dataclass(frozen=True, slots=True)
class OrderPage:
    """An order as its company sees it."""

    order: RedemptionOrder
    look: Badge
    title: str  # what it is, and for whom
    standing: str  # where it stands, in one sentence
    pulse: Pulse
    lines: list[LineShown]
    lines_in_all: int
    only: list[LinesInStatus]  # links to the lines of one status; empty while all lines are shown
    who: str  # words in the name, address or e-mail of those who are shown; "" for everybody
    in_full: bool
    one_recipient: OrderItem | None  # the first line when all go to one known person and place
    steps: list[TimelineStep]
    movements: list[Movement]
    letters: list[Letter]
    earlier_letters: int  # that are not shown
    cancellation: Cancellation | None  # None when nothing can be cancelled or the seat may not
    cancel_typed: str | None  # the reason typed into a refused form to cancel
    right: Right  # by which they decide on it while it waits
    reject: RejectOrderForm  # only for those who can decide
    held: str  # why it cannot be approved now; "" when it can
    since: list[str]  # what changed in the catalogue since the order was placed
    over: list[str]  # why limits of points forbid the approval now
    can_reveal: bool
    can_change_recipients: bool  # of lines that wait for their recipients
    can_repeat: bool
    messages: list[OrderMessage]  # questions of the company and answers of staff
    question: QuestionForm | None  # None for those who may not ask
    is_asking: bool = False  # whether the form of the question is open

    @property
    def can_decide(self) -> bool:
        return self.right.may

    @property
    def cost(self) -> int:
        """Points that the order has cost so far: those taken, less those given back."""
        moved = (one for one in self.movements if one.settled)
        return sum(one.points if one.is_debit else -one.points for one in moved)

    @property
    def letters_to(self) -> str:
        """The addresses that the letters shown went to, without those of approvers. The letters of
        an API key's orders go to a person.
        """
        shown = (letter.to for letter in self.letters if letter.kind not in TO_APPROVERS)
        return ", ".join(dict.fromkeys(shown))

    @property
    def more(self) -> int:
        """Lines that are not shown."""
        return self.lines_in_all - len(self.lines)

    @property
    def is_narrowed(self) -> bool:
        """Whether only lines of one status, or of some people, are shown."""
        return bool(self.who) or any(each.chosen for each in self.only)

    @property
    def chosen(self) -> str:
        """The status of which lines alone are shown; "" for all."""
        return next((each.status for each in self.only if each.chosen), "")

    @property
    def is_for_people(self) -> bool:
        """Whether its lines are for several people, and so a table of them."""
        return self.lines_in_all > 1 and self.one_recipient is None

    @property
    def is_live(self) -> bool:
        """Whether the page looks again by itself: it does when opened without a choice."""
        return not (self.in_full or self.is_narrowed or self.is_asking)

    @property
    def tells_once(self) -> bool:
        """Whether one sentence beside the heading says that looking at codes is recorded."""
        return self.can_reveal and sum(line.has_codes for line in self.lines) > 1

    @property
    def in_short(self) -> bool:
        """Whether something is left out that the page in full shows."""
        return bool(self.more or self.earlier_letters)

    @property
    def latest(self) -> str:
        """The sentence that a screen reader says when the timeline changes."""
        return next(step.title for step in reversed(self.steps) if not step.ahead)


def order_page(
    actor: Actor,
    order: RedemptionOrder,
    reject: RejectOrderForm | None = None,
    cancel_typed: str | None = None,
    *,
    question: QuestionForm | None = None,
    in_full: bool = False,
    only: str = "",
    who: str = "",
) -> OrderPage:
    """Build the whole page. `reject`, `question` and `cancel_typed` are of refused forms. Unless
    `in_full`, it shows the first lines and newest letters. `only`: a status; `who`: a recipient.
    """
    facts, waits = facts_of(order, in_full=in_full), order.status == OrderStatus.AWAITING_APPROVAL
    right = right_to_decide(actor, order) if waits else Right(False)
    can_decide, choices = right.may, statuses_shown(facts.items, only)
    cancelling = None if can_decide else _cancellation(actor, facts)
    letters = facts.letters[None if in_full else -LETTERS_SHOWN :]
    return OrderPage(
        order=order,
        look=order_look(order, facts.items, facts.transactions),
        title=title_of(facts.items),
        standing=standing_of(facts),
        pulse=pulse_of(facts),
        lines=_lines(actor, facts, choices, who, cancelling, in_full=in_full),
        lines_in_all=len(facts.items),
        only=choices,
        who=who,
        in_full=in_full,
        one_recipient=_one_recipient(facts.items),
        steps=timeline_of(facts),
        movements=_movements(facts),
        letters=_with_items(letters, facts),
        earlier_letters=len(facts.letters) - len(letters),
        cancellation=cancelling,
        cancel_typed=cancel_typed,
        right=right,
        reject=reject or RejectOrderForm(order=order),
        held=_held(facts) if can_decide else "",
        since=changed_since([order])[order.pk] if can_decide else [],
        over=over_if_approved(order) if can_decide else [],
        can_reveal=may_reveal(actor, order),
        can_change_recipients=may_cancel(actor, order),
        can_repeat=may_redeem(actor) and order.is_final,
        messages=facts.messages,
        question=(question or QuestionForm()) if may_ask(actor, order) else None,
    )


def _lines(
    actor: Actor,
    facts: Facts,
    choices: list[LinesInStatus],
    who: str,
    cancelling: Cancellation | None,
    *,
    in_full: bool,
) -> list[LineShown]:
    """The lines to show, with what cancelling each alone would do, where there are others."""
    theirs = [item for item in facts.items if _is_of(item, who)]
    by_line = _by_line(cancelling) if cancelling and len(facts.items) > 1 else {}
    shown = _chosen(theirs, choices, in_full=in_full or bool(who))
    can_resend = settings.FULFILLMENT_API_RESEND and may_resend(actor, facts.order)
    return [_line(facts, item, by_line, can_resend=can_resend) for item in shown]


def _chosen(
    items: list[OrderItem], choices: list[LinesInStatus], *, in_full: bool
) -> list[OrderItem]:
    """The lines to show: all of the chosen status; without one the first, or all `in_full`."""
    for each in choices:
        if each.chosen:
            return [item for item in items if item.fulfillment_status == each.status]
    return items if in_full else items[:LINES_SHOWN]


def statuses_shown(items: list[OrderItem], only: str) -> list[LinesInStatus]:
    """The statuses of the lines, in the order of LineStatus, and the chosen one even when it has
    no lines any more. Empty for an order that is shown whole, and while all lines stand alike.
    """
    if len(items) <= LINES_SHOWN:
        return []
    counted = Counter(item.fulfillment_status for item in items)
    choices = [
        LinesInStatus(status, str(status.label), counted[status], status == only)
        for status in LineStatus
        if counted[status] or status == only
    ]
    return choices if len(choices) > 1 else []


def _one_recipient(items: list[OrderItem]) -> OrderItem | None:
    first = items[0].recipient()
    alike = all(item.recipient() == first for item in items[1:])
    return items[0] if alike and items[0].recipient_name else None


def _with_items(letters: list[Letter], facts: Facts) -> list[Letter]:
    """The letters, each with its line, if it is about one."""
    items = {item.pk: item for item in facts.items}
    for letter in letters:
        letter.item = items[letter.item_id] if letter.item_id else None
    return letters


def _held(facts: Facts) -> str:
    return partner_trouble().holds_approval(facts.order.products())


def _cancellation(actor: Actor, facts: Facts) -> Cancellation | None:
    """What cancelling would do now; None where the actor may not, or nothing can be cancelled."""
    if not may_cancel(actor, facts.order):
        return None
    lines = ((item, facts.delivery(item)) for item in facts.items)
    now = cancellation(
        facts.order, [(item, delivery.progress, delivery.calls) for item, delivery in lines]
    )
    return now if now.possible else None


def _is_of(item: OrderItem, who: str) -> bool:
    """Whether each of the words stands in the columns of the line's recipient."""
    words = who.casefold().split()
    columns = " ".join(map(str, item.recipient().values())).casefold() if words else ""
    return all(word in columns for word in words)


def _by_line(whole: Cancellation) -> dict[UUID, Cancellation]:
    """What cancelling each line alone would do, by the line's key, for those that can be."""
    each = ((part.item.pk, Cancellation(whole.order, [part])) for part in whole.parts)
    return {key: alone for key, alone in each if alone.possible}


def _line(
    facts: Facts, item: OrderItem, by_line: Mapping[UUID, Cancellation], *, can_resend: bool
) -> LineShown:
    delivery = facts.delivery(item)
    return LineShown(
        item=item,
        look=line_look(item, facts.order.company.time_zone, unclear=delivery.is_unclear),
        parcels=delivery.parcels,
        has_codes=delivery.has_codes,
        tells_units=_tells_units(item),
        sent_message=signed(item.message, facts.order.account_manager),
        cancellation=by_line.get(item.pk),
        ask=facts.ask(item),
        waits_for_answer=item.is_waiting
        and item.waits_for == WaitsFor.RECIPIENT
        and item.waits_until is not None,
        can_resend=can_resend and item.product.is_virtual and item.quantity_delivered > 0,
    )


def _tells_units(item: OrderItem) -> bool:
    """Whether the units of a line did not all end alike."""
    partly = (item.quantity_delivered, item.quantity_refunded)
    some = any(0 < units < item.quantity for units in partly)
    return some or bool(item.quantity_returned or item.quantity_credited)


def _movements(facts: Facts) -> list[Movement]:
    """The rows of the table of points; of an order of many lines, those of one label together."""
    rows = [_movement(facts, intent) for intent in facts.transactions]
    if not facts.many:
        return rows
    alike: dict[tuple[str, bool, bool], list[Movement]] = {}
    for row in rows:
        alike.setdefault((row.label, row.settled, row.is_debit), []).append(row)
    return [_joined(those) if len(those) > 1 else those[0] for those in alike.values()]


def _joined(rows: list[Movement]) -> Movement:
    moments = [row.at for row in rows if row.at]
    return rows[0]._replace(
        label=f"{rows[0].label} ({len(rows)})",
        at=max(moments, default=None),
        points=sum(row.points for row in rows),
        reference="",
    )


def _movement(facts: Facts, intent: LoyaltyTransaction) -> Movement:
    settled = intent.status == TransactionStatus.SUCCEEDED
    if settled:
        label = intent.get_transaction_type_display()
    elif intent.status == TransactionStatus.REFUSED:
        label = _not_done(intent)
    elif intent.pk in facts.refused:
        label = _("Refused by the loyalty system; still owed")
    elif intent.status in UNCLEAR:
        label = _("Not clear yet: taken?") if intent.is_debit else _("Not clear yet: given back?")
    elif intent.is_correction:
        label = _("Being taken again")
    else:
        label = _("Being taken") if intent.is_debit else _("Being given back")
    return Movement(
        label,
        settled,
        intent.settled_at,
        intent.points_amount,
        intent.is_debit,
        intent.external_transaction_id,
    )


def _not_done(intent: LoyaltyTransaction) -> str:
    if intent.is_correction:
        return _("Not taken again")
    return _("Not taken") if intent.is_debit else _("Not given back")
