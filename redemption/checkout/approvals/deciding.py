"""Approves and rejects orders that wait for approval, and ends those that nobody decided on."""

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.selectors import told_as
from loyalty_portal.audit.models import TrailKind
from loyalty_portal.audit.services import record
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.data.texts.times import exact
from redemption.checkout.held import partner_trouble
from redemption.checkout.limits import check_approval
from redemption.models import (
    EventSubject,
    LetterKind,
    LoyaltyTransaction,
    OrderEvent,
    RedemptionOrder,
)
from redemption.permissions import Right, right_to_decide
from redemption.saga.steps import (
    RedemptionError,
    drop_order,
    locked,
    must,
    new_debit,
    write_letter,
)
from redemption.states import OrderStatus


def approve(*, order: RedemptionOrder, by: Actor) -> RedemptionOrder:
    """Approve the order, so that its points are taken. Nobody approves their own order. The buyer
    is told by letter.

    Raises RedemptionError when it cannot go ahead now; the order then keeps waiting.
    """
    if why := partner_trouble().holds_approval(order.products()):
        raise RedemptionError(why)
    with transaction.atomic():
        held, right = _decidable(order, by)
        check_approval(held)
        held.transition(
            OrderStatus.PENDING, by=by, reason=approved_told(right), decided_by_id=by.user_id
        )
        debit: LoyaltyTransaction = new_debit(held, held.company.loyalty_account_id)
        debit.save(force_insert=True)
        debit.event("", debit.status, by=by).save()
        _decided(held, LetterKind.APPROVED, by, right)
        return held


def reject(*, order: RedemptionOrder, by: Actor, reason: str) -> None:
    """Reject the order, with a reason that the buyer reads, in a letter too. Its stock is
    released.
    """
    if not reason.strip():
        raise RedemptionError(_("Give a reason; the buyer will read it."))
    with transaction.atomic():
        held, right = _decidable(order, by)
        drop_order(
            held,
            OrderStatus.REJECTED,
            by=by,
            reason=reason.strip(),
            decided_by_id=by.user_id,
            decision_reason=reason.strip()[:255],
        )
        _decided(held, LetterKind.REJECTED, by, right, reason=reason.strip()[:255])


def approved_told(right: Right) -> str:
    """That it was approved, and in whose place, as a sentence to be stored."""
    if right.instead_of is None:
        return kept(lambda: _("Approved"))
    who = {"who": str(right.instead_of.user)}
    return kept(lambda: _("Approved in the place of %(who)s") % who)


def trail_of_stand_in(right: Right, by: Actor, about: RedemptionOrder, what: str) -> None:
    """Write into the trail in whose place somebody decided, where it was in somebody's."""
    if right.instead_of:
        facts = {"change": what, "instead of": str(right.instead_of.pk)}
        record(TrailKind.STAND_IN, by=by, about=about, what=str(about), facts=facts)


def _decided(
    order: RedemptionOrder, kind: LetterKind, by: Actor, right: Right, *, reason: str = ""
) -> None:
    trail_of_stand_in(right, by, order, kind)
    instead_of = str(right.instead_of.user) if right.instead_of else ""
    who = {"by": str(by.user), "instead_of": instead_of, "reason": reason}
    write_letter(order, kind, occasion=order.pk, **who)


def _decidable(order: RedemptionOrder, by: Actor) -> tuple[RedemptionOrder, Right]:
    """The order, locked, and by which right it is decided."""
    held = locked(order.pk)
    if held.status != OrderStatus.AWAITING_APPROVAL:
        raise RedemptionError(_what_came_of_it(held))
    right = right_to_decide(by, held)
    must(right.may, right.why_not)
    return held, right


def _what_came_of_it(order: RedemptionOrder) -> str:
    """Who decided on the order before, and when."""
    moved = OrderEvent.objects.filter(
        order=order.pk,
        subject=EventSubject.ORDER,
        from_status=OrderStatus.AWAITING_APPROVAL,
    )
    event = moved.select_related("by").first()
    no_longer = _("This order is no longer waiting for approval.")
    if event is None:
        return no_longer
    facts = {"who": told_as(event.by, order.company_id), "when": exact(event.at)}
    if event.to_status == OrderStatus.PENDING:
        told = _("%(who)s approved it, %(when)s.")
    elif event.to_status == OrderStatus.EXPIRED:
        told = _("Nobody decided in time: it ended, %(when)s.")
    elif order.was_placed_by(event.by_id):
        told = _("%(who)s withdrew it, %(when)s.")
    else:
        told = _("%(who)s did not approve it, %(when)s.")
    return " ".join([no_longer, told % facts])


def expire_approvals() -> int:
    """Expire the orders that nobody decided on in time, and tell the buyers. Returns how many."""
    late = RedemptionOrder.objects.filter(
        status=OrderStatus.AWAITING_APPROVAL, approve_by__lte=Now()
    )
    ended = 0
    for order_id in late.values_list("pk", flat=True)[:100]:
        with transaction.atomic():
            held = locked(order_id)
            if held.status == OrderStatus.AWAITING_APPROVAL:
                why = kept(lambda: _("Nobody decided in time."))
                drop_order(held, OrderStatus.EXPIRED, by=SYSTEM, reason=why)
                write_letter(held, LetterKind.EXPIRED, occasion=held.pk)
                ended += 1
    return ended
