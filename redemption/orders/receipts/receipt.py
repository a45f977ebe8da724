"""The receipt of an order: what was ordered for whom, what was taken, and what went back."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.selectors import told_as
from fulfillment.desk.papers import LARGE, SMALL, Paper
from loyalty_portal.configuration import brand
from loyalty_portal.data.texts.numbers import grouped, signed
from loyalty_portal.data.texts.times import exact
from redemption.models import (
    EventSubject,
    LoyaltyTransaction,
    OrderItem,
    RedemptionOrder,
)
from redemption.models.badges import Badge, order_look
from redemption.points.statement.files import BookPaper
from redemption.points.statement.movements import place_of
from redemption.states import OrderStatus, TransactionStatus

_LINE = (12.0, 78.0, 30.0, 30.0, 30.0)  # millimetres: pieces, what, each, points, given back
_MOVE = (62.0, 88.0, 30.0)  # when, what, points


@dataclass(frozen=True, slots=True)
class Receipt:
    """An order as a company files it. Its times are absolute, at `made_at`."""

    order: RedemptionOrder
    look: Badge
    items: list[OrderItem]
    moves: list[LoyaltyTransaction]
    approved_by: str
    approved_at: datetime | None
    made_at: datetime

    @property
    def settled(self) -> list[LoyaltyTransaction]:
        """What moved at the loyalty system."""
        return [move for move in self.moves if move.status == TransactionStatus.SUCCEEDED]

    @property
    def open(self) -> list[LoyaltyTransaction]:
        """What was not settled yet when the receipt was made."""
        ended = (TransactionStatus.SUCCEEDED, TransactionStatus.REFUSED)
        return [move for move in self.moves if move.status not in ended]

    @property
    def cost(self) -> int:
        """Points taken, less those given back."""
        return -sum(move.signed_points for move in self.settled)

    @property
    def has_more_to_come(self) -> bool:
        """Whether it may still change."""
        return bool(self.open) or not self.order.is_final


def receipt_of(order: RedemptionOrder) -> Receipt:
    """The receipt of an order, as it is now."""
    items, moves = list(order.items.all()), list(order.transactions.defer("body"))
    approval = (
        order.events.filter(
            subject=EventSubject.ORDER,
            from_status=OrderStatus.AWAITING_APPROVAL,
            to_status=OrderStatus.PENDING,
        )
        .select_related("by")
        .first()
    )
    return Receipt(
        order=order,
        look=order_look(order, items, moves),
        items=items,
        moves=moves,
        approved_by=told_as(approval.by, order.company_id) if approval else "",
        approved_at=approval.at if approval else None,
        made_at=timezone.now(),
    )


def receipt_pdf(receipt: Receipt) -> bytes:
    """The receipt as PDF."""
    order = receipt.order
    title = _("Receipt for order %(number)s") % {"number": order.order_number}
    paper = BookPaper(title, order.company.name)
    paper.say(brand.current().name, size=SMALL)
    paper.say(title, size=LARGE)
    paper.ln(2)
    for label, text in _facts(receipt):
        paper.row([(45, label), (135, text)])
    paper.ln(4)
    _lines(paper, receipt)
    paper.ln(4)
    _moves(paper, receipt)
    return bytes(paper.output())


def _facts(receipt: Receipt) -> list[tuple[str, str]]:
    order = receipt.order
    facts = [
        (_("Company"), order.company.name),
        (_("Ordered by"), str(order.account_manager.user)),
        (_("Ordered on"), exact(order.created_at, seconds=True)),
    ]
    if order.reference:
        facts.append((_("Your reference"), order.reference))
    if receipt.approved_by and receipt.approved_at:
        who, at = receipt.approved_by, exact(receipt.approved_at, seconds=True)
        facts.append((_("Approved by"), f"{who}, {at}"))
    facts.append((_("Status"), str(receipt.look.word)))
    facts.append((_("Made on"), exact(receipt.made_at, seconds=True)))
    return facts


def _lines(paper: Paper, receipt: Receipt) -> None:
    words = ("", _("What"), _("Points each"), _("Points"), _("Given back"))
    paper.row(list(zip(_LINE, words, strict=True)), size=SMALL, numbers=3)
    for item in receipt.items:
        if paper.will_page_break(18):
            paper.add_page()
        paper.rule()
        back = item.quantity_refunded * item.points_per_item
        cells = (
            f"{item.quantity} ×",
            item.product_name,
            grouped(item.points_per_item),
            grouped(item.points),
            signed(back) if back else "",
        )
        paper.row(list(zip(_LINE, cells, strict=True)), numbers=3)
        to = (item.recipient_name, item.recipient_email, *item.address_lines())
        told = ", ".join(part for part in (*to, item.sku) if part)
        paper.row([(12, ""), (168, told)], size=SMALL)
    paper.rule()
    paper.row([(150, _("Points ordered")), (30, grouped(receipt.order.total_points))], numbers=1)


def _moves(paper: Paper, receipt: Receipt) -> None:
    words = (_("When"), _("Transaction at the loyalty system"), _("Points"))
    paper.row(list(zip(_MOVE, words, strict=True)), size=SMALL, numbers=1)
    for move in receipt.settled:
        if paper.will_page_break(12):
            paper.add_page()
        what = f"{move.get_transaction_type_display()}, {move.external_transaction_id}"
        cells = (exact(place_of(move).at, seconds=True), what, signed(move.signed_points))
        paper.row(list(zip(_MOVE, cells, strict=True)), size=SMALL, numbers=1)
    paper.rule()
    paper.row([(150, _("Cost")), (30, grouped(receipt.cost))], numbers=1)
    if receipt.has_more_to_come:
        paper.say(more_to_come(), size=SMALL)


def more_to_come() -> str:
    """What a receipt says that was made before the order ended."""
    return _("This order had not ended when the receipt was made; points may still move.")
