"""What people ask for once an order is placed: cancel it, try again now, show its codes."""

from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from fulfillment import services as fulfillments
from fulfillment.models import Fulfillment, PartnerCall, VirtualCode
from fulfillment.states import OPEN_CALL
from loyalty_portal.lifecycle import StaleStatusError
from redemption.models import Letter, OrderItem, RedemptionOrder
from redemption.services import RedemptionError, drop_order, locked, note
from redemption.states import OPEN_TRANSACTION, LineStatus, OrderStatus, TransactionStatus


@transaction.atomic
def unflag(*, order: RedemptionOrder, by: User | None) -> None:
    """Somebody has looked at it."""
    held = locked(order.pk)
    if held.needs_attention:
        note(held, _("Looked at: %(why)s") % {"why": held.attention_reason}, by=by)
        held.needs_attention, held.attention_reason = False, ""
        held.save(update_fields=["needs_attention", "attention_reason"])


def cancel(*, order: RedemptionOrder, by: User | None, reason: str) -> str:
    """Cancel what can be cancelled; the answer is a sentence that says what happens now.

    Raises RedemptionError when nothing can be cancelled any more.
    """
    try:
        return _cancel(order, by=by, reason=reason or _("Cancelled by the company"))
    except StaleStatusError:
        # It moved on between our look and our lock.
        busy = _("This order is changing at this moment. Try again.")
        raise RedemptionError(busy) from None


@transaction.atomic
def _cancel(order: RedemptionOrder, *, by: User | None, reason: str) -> str:
    seen = RedemptionOrder.objects.get(pk=order.pk)
    if seen.is_final:
        raise RedemptionError(
            _("This order cannot be cancelled any more: it is “%(status)s”.")
            % {"status": seen.get_status_display().lower()}
        )
    if seen.status in {OrderStatus.CONFIRMED, OrderStatus.IN_FULFILLMENT}:
        return _cancel_lines(seen, by=by, reason=reason)
    held = locked(seen.pk)
    if held.status != seen.status:
        raise StaleStatusError
    if held.status == OrderStatus.AWAITING_APPROVAL:
        drop_order(
            held,
            OrderStatus.REJECTED,
            by=by,
            reason=reason,
            decided_by=by,
            decision_reason=reason[:255],
        )
        return _("The order is withdrawn. No points were taken.")
    if held.status == OrderStatus.PENDING:
        held.transition(
            OrderStatus.CANCELLING, by=by, reason=reason, cancel_requested_at=timezone.now()
        )
    return _("The order is being cancelled. Points that were already taken are given back.")


def _cancel_lines(order: RedemptionOrder, *, by: User | None, reason: str) -> str:
    waiting = order.items.filter(fulfillment_status__in=[LineStatus.QUEUED, LineStatus.REQUESTED])
    results = fulfillments.withdraw(
        references=list(waiting.values_list("pk", flat=True)), by=by, reason=reason
    )
    reached = [result for result in results.values() if result != "late"]
    if not reached:
        raise RedemptionError(
            _("This order cannot be cancelled any more: it is already on its way.")
        )
    RedemptionOrder.objects.filter(pk=order.pk).update(cancel_requested_at=timezone.now())
    if "asked" in reached:
        return _(
            "We have asked our partner to stop the delivery. If it is not too late, "
            "the points come back."
        )
    if len(reached) < order.items.count():
        return _("What could still be cancelled is cancelled, and its points are given back.")
    return _("The order is cancelled. Its points are being given back.")


@transaction.atomic
def retry_now(*, order: RedemptionOrder, by: User | None) -> int:
    """Make the order's open calls and letters due at once; how many there were.

    Asks again with the same keys, so it can do no harm. What a person must decide stays.
    """
    open_calls = Q(lease_until__isnull=True) | Q(lease_until__lte=Now())
    # By their own columns alone: a status that just changed is looked at again only then.
    parcels = Fulfillment.objects.filter(label=order.order_number)
    held = list(parcels.values_list("pk", flat=True))
    waiting: list[QuerySet[Any]] = [
        PartnerCall.objects.filter(fulfillment__in=held, status__in=OPEN_CALL),
        order.transactions.filter(status__in=OPEN_TRANSACTION).exclude(
            status=TransactionStatus.NEEDS_REVIEW
        ),
        Letter.objects.filter(order=order, sent_at__isnull=True),
    ]
    hurried = sum(rows.filter(open_calls).update(next_attempt_at=Now()) for rows in waiting)
    note(order, _("Asked to try again now."), by=by)
    return hurried


@transaction.atomic
def reveal_codes(*, item: OrderItem, by: User | None) -> list[VirtualCode]:
    """The codes of a delivered virtual line, and a record of who saw them."""
    held = fulfillments.find(item.id)
    codes = fulfillments.reveal_codes(fulfillment=held, by=by) if held else []
    if codes:
        note(
            item.order,
            _("Showed the codes of %(product)s.") % {"product": item.product_name},
            by=by,
        )
    return codes
