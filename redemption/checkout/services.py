"""Places an order."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.db import IntegrityError, transaction
from django.db.models import Model
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import AccountManager, Company
from accounts.selectors import seats_of_same_person
from catalog.models import Product
from inventory import services as stock
from inventory.services import OutOfStockError, Want
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import Actor
from loyalty_portal.data.ids import uuid7
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.data.texts.numbers import grouped
from loyalty_portal.fastpath.updates import delete, update
from loyalty_portal.metrics.figures import ORDERS, count_when_true
from redemption.checkout.approvals.approval import Need, approval_need
from redemption.checkout.approvals.asking import APPROVAL_TIME, letters_to_approvers, who_decides
from redemption.checkout.held import partner_trouble
from redemption.checkout.limits import check_limits, hold_company
from redemption.checkout.shown import Shown
from redemption.checkout.waits import check_terms, wait_columns
from redemption.models import (
    Cart,
    CartLine,
    LetterKind,
    OrderItem,
    OrderNote,
    RecipientAsk,
    RedemptionOrder,
)
from redemption.models.notes import LONGEST_NOTE
from redemption.saga.steps import RedemptionError, new_debit, new_letter
from redemption.states import OrderStatus

CART_CHANGED = gettext_lazy(
    "Your cart has changed in the meantime, perhaps in another window. Nothing was ordered: "
    "please check it and confirm again."
)
MOST_POINTS = 2_000_000_000  # of one order; a larger number is an input error


class _CartChangedError(RedemptionError):
    """The cart's token is not the one of the form. The same form may have placed the order just
    now.
    """


@dataclass(frozen=True, slots=True)
class Line:
    """`quantity` of a product (with its `inventory` loaded), for one recipient.

    `recipient` has the columns of loyalty_portal.data.recipient; None: they are not known yet, and
    the line waits until the recipient gives them. `message` to the recipient: up to 500 characters.
    `send_on`: the day on which a virtual line is sent, in the company's time zone; None: at once.
    `asks`: the recipient, of whom name and e-mail address are known, is asked by a letter where to
    send it.
    """

    product: Product
    quantity: int
    recipient: Mapping[str, str] | None
    message: str = ""
    send_on: date | None = None
    asks: bool = False


@dataclass(frozen=True, slots=True)
class CheckoutInput:
    """What the checkout form sent. `token` identifies the form: one form places one order.
    `seen_points` is the total that the page showed, `shown` the products and prices (None: the page
    did not say).
    """

    token: uuid.UUID
    seen_points: int
    shown: Shown | None = None
    reference: str = ""
    note: str = ""
    cart: Cart | None = None
    # Who asked staff to place it, and when; "" where the seat itself places it.
    asked: str = ""
    # Who has approved it already, together with others (a bulk).
    approved_by: uuid.UUID | None = None
    # Known before saving, so that the caller can nudge it.
    debit_id: uuid.UUID = field(default_factory=uuid7)


def place_order(
    *, seat: AccountManager, lines: Sequence[Line], entered: CheckoutInput, by: Actor
) -> RedemptionOrder:
    """Place an order: reserve the stock and write the order with its debit, unsent, in one
    transaction.

    No partner is called; the saga sends the debit afterwards. A second call with the same token
    returns the first order. Raises RedemptionError with a sentence for the buyer, and then changes
    nothing, when a line cannot be redeemed.
    """
    total = _check(seat, lines, entered)
    try:
        with transaction.atomic():
            order = _place(seat, lines, entered, total, by)
            count_when_true(ORDERS, "placed")
            if entered.asked:
                about = {"seat": str(seat.pk), "points": total}
                record(TrailKind.ORDERED_FOR, by=by, about=order, what=str(order), facts=about)
            return order
    except (IntegrityError, _CartChangedError):
        placed = placed_with(seat=seat, token=entered.token)
        if placed is None:
            raise
        return placed
    except OutOfStockError as error:
        short = next(line.product for line in lines if line.product.id == error.product_id)
        raise RedemptionError(
            _(
                "There are not enough pieces of “%(product)s” left. Nothing was ordered and no "
                "points were taken."
            )
            % {"product": short.name}
        ) from error


def halted(seat: AccountManager, products: Sequence[Product], points: int) -> str:
    """Why a problem of a partner holds an order of these products up; "" when none does.

    An order that needs approval takes no points yet, so its approval checks the partners. Orders
    that were placed before are never stopped.
    """
    why = partner_trouble().holds(products)
    return "" if not why or approval_need(seat, points) else why


def placed_with(*, seat: AccountManager, token: uuid.UUID) -> RedemptionOrder | None:
    """The order that this seat placed with this form; None when it placed none."""
    found = RedemptionOrder.objects.filter(token=token, account_manager=seat.pk)
    return found.order_by().first()


def _check(seat: AccountManager, lines: Sequence[Line], entered: CheckoutInput) -> int:
    if not lines:
        raise RedemptionError(_("Your cart is empty."))
    for line in lines:
        _check_line(seat, line)
    total = sum(line.quantity * line.product.points_cost for line in lines)
    changes = list(entered.shown.changes([line.product for line in lines])) if entered.shown else []
    if changes or total != entered.seen_points:
        now = _("The points have changed since you looked: the total is now %(total)s points.")
        if total == entered.seen_points:
            now = _("The total is still %(total)s points.")
        told = [*changes, now % {"total": grouped(total)}, _("Please check and confirm again.")]
        raise RedemptionError(" ".join(told))
    if total > MOST_POINTS:
        raise RedemptionError(_("That is more points than one order may have."))
    return total


def _check_line(seat: AccountManager, line: Line) -> None:
    product = line.product
    if not product.is_offered_to(seat.company.tier_level):
        raise RedemptionError(
            _("“%(product)s” is not on offer any more. Remove it from the cart to continue.")
            % {"product": product.name}
        )
    check_terms(
        product=product,
        recipient=line.recipient,
        send_on=line.send_on,
        message=line.message,
        company=seat.company,
        asks=line.asks,
    )


def _place(
    seat: AccountManager, lines: Sequence[Line], entered: CheckoutInput, total: int, by: Actor
) -> RedemptionOrder:
    # Lock first: a form that was sent twice waits here before changing anything, and orders that
    # count together are placed one after another, so that each counts those before it.
    if entered.cart is not None:
        _empty(entered.cart, shown_with=entered.token)
    hold_company(seat)
    if entered.asked or seat.company.approval_threshold is not None:
        _hold(seat)
    check_limits(seat, total)
    need = None if entered.approved_by else approval_need(seat, total)
    if entered.shown is not None and entered.shown.waits != (need is not None):
        raise RedemptionError(_otherwise(need))
    waits = need is not None
    order = RedemptionOrder(
        company_id=seat.company_id,
        account_manager=seat,
        total_points=total,
        status=OrderStatus.AWAITING_APPROVAL if waits else OrderStatus.PENDING,
        token=entered.token,
        reference=entered.reference,
        note=entered.note,
        placed_by_id=by.person_id if entered.asked else None,
        # An order that somebody else approved counts for no further one (approval_need).
        approve_by=timezone.now() + APPROVAL_TIME if waits or entered.approved_by else None,
        decided_by_id=entered.approved_by,
    )
    items = list(_items(order, lines, seat.company))
    why = kept(lambda: need.why) if need else ""
    written: list[Model] = [
        order,
        *items,
        *_asks(order, lines),
        order.event("", order.status, by=by, reason=why),
        *(item.event("", item.fulfillment_status) for item in items),
    ]
    if entered.asked:
        written += _told_by_staff(order, entered.asked, by)
    written += _what_follows(order, entered, why)
    # Stock comes last, because other orders wait for its rows until the commit.
    held = [
        Want(line.product.id, line.quantity, item.id)
        for line, item in zip(lines, items, strict=True)
        if hasattr(line.product, "inventory")
    ]
    stock.reserve(wants=held, by=by, along=written)
    return order


def _what_follows(order: RedemptionOrder, entered: CheckoutInput, why: str) -> Iterator[Model]:
    """The letters to those who decide on an order that waits, and `why` it does; else its debit."""
    if order.status == OrderStatus.AWAITING_APPROVAL:
        asked = who_decides(order)
        yield from letters_to_approvers(order, LetterKind.APPROVAL_ASKED, asked, why)
        return
    debit = new_debit(order, order.account_manager.company.loyalty_account_id)
    debit.id = entered.debit_id
    yield debit
    yield debit.event("", debit.status)


def _items(order: RedemptionOrder, lines: Sequence[Line], company: Company) -> Iterator[OrderItem]:
    for line in lines:
        yield OrderItem(
            order=order,
            product=line.product,
            product_name=line.product.name,
            sku=line.product.sku,
            quantity=line.quantity,
            points_per_item=line.product.points_cost,
            message=line.message,
            **wait_columns(
                recipient=line.recipient, send_on=line.send_on, company=company, asks=line.asks
            ),
        )


def _asks(order: RedemptionOrder, lines: Sequence[Line]) -> list[RecipientAsk]:
    """One for each person who is asked. Their letters are due once the points are taken."""
    people = {
        (line.recipient["recipient_name"], line.recipient["recipient_email"])
        for line in lines
        if line.asks and line.recipient
    }
    return [
        RecipientAsk(order=order, name=name, email=email, next_attempt_at=None)
        for name, email in sorted(people)
    ]


def _told_by_staff(order: RedemptionOrder, asked: str, by: Actor) -> list[Model]:
    """What goes with an order that staff place: who asked for it, which staff alone read, and a
    letter to the account manager, who may know nothing of it.
    """
    return [
        OrderNote(order=order, text=asked[:LONGEST_NOTE], by_id=by.person_id),
        new_letter(order, LetterKind.PLACED, occasion=order.pk),
    ]


def _otherwise(need: Need | None) -> str:
    """The message for a page that showed the opposite about approval."""
    if need is None:
        now = _("This order no longer needs approval: its points are taken at once.")
    else:
        now = need.why
    told = _("%(now)s The page did not say so. Please check and confirm again.")
    return told % {"now": now}


def _hold(seat: AccountManager) -> None:
    """Lock the seat and those that count with it, so that their other orders wait until this one is
    committed.

    Raises RedemptionError when the seat, its person or its company was switched off meanwhile.
    """
    together = seats_of_same_person(seat).select_for_update(no_key=True, of=("self",))
    list(together.order_by("pk").values_list("pk"))
    if not AccountManager.objects.usable().filter(pk=seat.pk).exists():
        raise RedemptionError(
            _("The seat, its person or its company was switched off. Nothing was ordered.")
        )


def _empty(cart: Cart, *, shown_with: uuid.UUID) -> None:
    """Empty the cart and change its token, if its lines are still the shown ones."""
    fresh = {"token": uuid7(), "updated_at": Now()}
    shown = update(Cart, {"pk": cart.pk, "token": shown_with}, fresh)
    if not (shown and delete(CartLine, {"cart": cart.pk})):
        raise _CartChangedError(CART_CHANGED)
