"""The steps of the saga. Each function changes an order in one transaction.

line_news.py processes news from fulfillment. Locks are taken in one order everywhere
(docs/architecture.md).
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from accounts import loyalty
from accounts.selectors import letter_address
from fulfillment import services as fulfillments
from fulfillment.models import Channel
from fulfillment.services import Parcel
from inventory import services as stock
from loyalty_portal.data.actor import SYSTEM, Actor
from loyalty_portal.data.lifecycle import transition_all
from loyalty_portal.data.texts.kept import kept
from loyalty_portal.fastpath.sql import Prepared
from loyalty_portal.fastpath.updates import PreparedHold
from redemption.incidents.services import raise_incident
from redemption.messages import digests
from redemption.models import (
    EventSubject,
    IncidentCase,
    Letter,
    LetterKind,
    LoyaltyTransaction,
    OrderEvent,
    OrderItem,
    RedemptionOrder,
    TransactionType,
)
from redemption.models.orders import MOVED, signed
from redemption.saga import waits
from redemption.saga.credits import intend_credit
from redemption.states import (
    COUNT_FROM_WAITS,
    DEADLINES,
    SETTLED_LINE,
    IncidentKind,
    LineStatus,
    OrderStatus,
    TransactionStatus,
)


class RedemptionError(Exception):
    """An action on an order is not possible; the message is a sentence for the person who tried."""


class OrderBusyError(RedemptionError):
    """The order changed at the very moment of the action; the same one may be possible now."""


def must(allowed: bool, why_not: str = "") -> None:
    """Raise RedemptionError unless the answer of a permission function is true. `why_not`: the
    reason, if there is a better one than the role.
    """
    if not allowed:
        raise RedemptionError(why_not or _("Your role in this company does not include this."))


def must_be_staff(allowed: bool, what: str) -> None:
    """Raise RedemptionError unless the actor may do `what`, as in "write notes about orders"."""
    if not allowed:
        raise RedemptionError(
            _("You may not %(what)s. Ask an administrator for a staff group that may.")
            % {"what": what}
        )


def locked(order_id: Any) -> RedemptionOrder:
    """The order as it is in the database now, locked until the transaction ends.

    It moves the order's pulse, because whoever locks an order changes it.
    """
    return _locked(order_id)[0]


_KEY = uuid.uuid4()  # a placeholder for an order's id
_locked = PreparedHold(
    lambda key: RedemptionOrder.objects.select_related("company", "account_manager__user").filter(
        pk=key
    ),
    _KEY,
    changes=MOVED,
)
_items = Prepared(lambda key: OrderItem.objects.filter(order=key).select_related("product"), _KEY)


def note(order: RedemptionOrder, text: str, *, by: Actor = SYSTEM) -> None:
    """Write an entry into the order's history that changes no status."""
    OrderEvent.objects.create(
        order=order, subject=EventSubject.NOTE, by_id=by.user_id, reason=text[:255]
    )


def flag(
    order: RedemptionOrder,
    why: str,
    *,
    kind: IncidentKind,
    about: OrderItem | LoyaltyTransaction | None = None,
    **facts: str,
) -> None:
    """Ask a person to look at the order: raise the incident, and mark the order once for each
    reason. The status does not change.
    """
    raise_incident(
        kind=kind,
        key=f"{kind.lower()}:{(about or order).pk}",
        what=f"{order.order_number}: {why}",
        order=order,
        transaction=about if isinstance(about, LoyaltyTransaction) else None,
        facts=facts,
    )
    # Do not add a "stuck" flag to an order that is already flagged.
    late = kind == IncidentKind.STUCK_ORDER
    if order.needs_attention and (late or order.attention_reason == why[:255]):
        return
    order.needs_attention, order.attention_reason = True, why[:255]
    order.save(update_fields=["needs_attention", "attention_reason"])
    note(order, why)


def new_debit(order: RedemptionOrder, account_id: str) -> LoyaltyTransaction:
    """A new debit for the order's points, not saved. Its key and bytes never change."""
    return LoyaltyTransaction(
        order=order,
        company_id=order.company_id,
        points_amount=order.total_points,
        transaction_type=TransactionType.DEBIT,
        key=f"debit:{order.id}",
        body=loyalty.debit_body(
            account_id=account_id,
            points=order.total_points,
            reference=order.order_number,
            description=f"Redemption {order.order_number}",
        ).decode(),
    )


def new_letter(
    order: RedemptionOrder,
    kind: LetterKind,
    *,
    occasion: Any,
    item: OrderItem | None = None,
    **facts: Any,
) -> Letter:
    """Build a letter to the buyer, unsaved. Its key ensures one letter for each occasion."""
    return Letter(
        order=order,
        item=item,
        kind=kind,
        key=f"{kind}:{occasion}",
        to=letter_address(order.account_manager),
        facts=facts,
    )


def write_letter(order: RedemptionOrder, kind: LetterKind, **what: Any) -> None:
    """Save a letter to be sent, unless its occasion has one already."""
    write_letters([new_letter(order, kind, **what)])


def write_letters(letters: Sequence[Letter]) -> None:
    """Save letters to be sent, except those whose occasion has one already."""
    Letter.objects.bulk_create(letters, ignore_conflicts=True)


# --- The debit's outcome -------------------------------------------------------------------


def confirm(order: RedemptionOrder) -> None:
    """The debit succeeded: pass the lines on to fulfillment, or give the points back when the order
    is being cancelled.
    """
    items = _items(order.pk)
    if order.status == OrderStatus.CANCELLING:
        _drop_lines(items, reason=kept(lambda: _("Cancelled")), owed=True)
        units = sum(item.quantity for item in items)
        intend_credit(
            order,
            order.total_points,
            units=units,
            item=None,
            reason=kept(lambda: _("Cancelled")),
            by=SYSTEM,
        )
        return
    order.transition(OrderStatus.CONFIRMED, reason=kept(lambda: _("The points were taken.")))
    write_letter(order, LetterKind.CONFIRMED, occasion=order.id)
    pass_on(order, [item for item in items if not item.waits_for])
    if waiting := [item for item in items if item.waits_for]:
        waits.begin(waiting)


def pass_on(
    order: RedemptionOrder, items: Sequence[OrderItem], *, by: Actor = SYSTEM, reason: str = ""
) -> None:
    """Pass lines on to fulfillment: physical ones to the desk, virtual ones to the partner."""
    for virtual, status in ((True, LineStatus.REQUESTED), (False, LineStatus.QUEUED)):
        alike = [item for item in items if item.product.is_virtual == virtual]
        transition_all(alike, status, by=by, reason=reason)
    fulfillments.open_fulfillments(parcels=[_parcel(order, item) for item in items])


def _parcel(order: RedemptionOrder, item: OrderItem) -> Parcel:
    return Parcel(
        reference=item.id,
        label=order.order_number,
        channel=Channel.PARTNER if item.product.is_virtual else Channel.DESK,
        sku=item.sku,
        product_name=item.product_name,
        quantity=item.quantity,
        recipient=item.recipient(),
        message=signed(item.message, order.account_manager),
    )


def decline(order: RedemptionOrder, reason: str) -> None:
    """The partner refused the debit: release the stock. No points are owed."""
    items = list(order.items.all())
    if order.status == OrderStatus.CANCELLING:
        _drop_lines(items, reason=kept(lambda: _("No points were taken.")))
        close(order)
        return
    order.transition(OrderStatus.DECLINED, reason=reason, completed_at=timezone.now())
    _drop_lines(items, reason=reason)
    write_letter(order, LetterKind.DECLINED, occasion=order.id, reason=reason)


def drop_order(
    order: RedemptionOrder, to: OrderStatus, *, by: Actor, reason: str, **changes: Any
) -> None:
    """End an order that was never approved (REJECTED, EXPIRED) and release its stock."""
    order.transition(to, by=by, reason=reason, completed_at=timezone.now(), **changes)
    _drop_lines(list(order.items.all()), reason=reason, by=by)


def _drop_lines(
    items: list[OrderItem], *, reason: str, by: Actor = SYSTEM, owed: bool = False
) -> None:
    """End lines that were never fulfilled. `owed`: their points were taken, and are given back."""
    refunded: dict[str, Any] = {"quantity_refunded": F("quantity")} if owed else {}
    transition_all(items, LineStatus.CANCELLED, by=by, reason=reason, **refunded)
    stock.release(pieces={item.id: None for item in items}, by=by, reason=reason)


# --- The end ------------------------------------------------------------------------------------


def close(order: RedemptionOrder, *, is_open: bool | None = None) -> None:
    """End the order once every line is settled: COMPLETED, or CANCELLED once all points are given
    back. `is_open`: whether a line is not settled, if the caller has asked.
    """
    if order.status not in {
        OrderStatus.CONFIRMED,
        OrderStatus.IN_FULFILLMENT,
        OrderStatus.CANCELLING,
    }:
        return
    if is_open is None:
        is_open = order.items.exclude(fulfillment_status__in=SETTLED_LINE).exists()
    if is_open:
        return
    if order.items.filter(quantity_delivered__gt=0).exists():
        order.transition(OrderStatus.COMPLETED, completed_at=timezone.now())
        if digests.is_part(order, None):
            digests.finish(order)
        return
    credits_due = order.transactions.filter(transaction_type=TransactionType.CREDIT)
    if not credits_due.exclude(status=TransactionStatus.SUCCEEDED).exists():
        order.transition(OrderStatus.CANCELLED, completed_at=timezone.now())
        if digests.is_part(order, None):
            digests.finish(order)
        else:
            write_letter(order, LetterKind.CANCELLED, occasion=order.id, points=order.total_points)


def credited(order: RedemptionOrder, credit: LoyaltyTransaction) -> None:
    """A credit succeeded; this may end the order."""
    close(order)
    if order.status == OrderStatus.CANCELLED:
        return
    if digests.is_part(order, credit.item):
        digests.gather(order)
        return
    write_letter(
        order,
        LetterKind.REFUNDED,
        occasion=credit.id,
        item=credit.item,
        points=credit.points_amount,
        reason=credit.reason,
    )


def flag_overdue() -> int:
    """Flag each open order that is past its deadline, once. Returns how many."""
    return sum(
        _flag_late(status, age, since=statuses[0])
        for statuses, age in DEADLINES
        for status in statuses
    )


def _flag_late(status: OrderStatus, age: timedelta, *, since: OrderStatus) -> int:
    why = _("Still “%(status)s” after %(age)s.") % {
        "status": status.label.lower(),
        "age": timesince(timezone.now() - age),
    }
    said = IncidentCase.objects.filter(
        order=OuterRef("pk"), incident__kind=IncidentKind.STUCK_ORDER, facts__status=status
    )
    # An order that waited for approval or whose cancel was asked for late is older than its status.
    recent = OrderEvent.objects.filter(
        order=OuterRef("pk"), subject=EventSubject.ORDER, to_status=since, at__gte=Now() - age
    )
    late = RedemptionOrder.objects.filter(
        ~Exists(said), ~Exists(recent), status=status, created_at__lt=Now() - age
    )
    if status in COUNT_FROM_WAITS:
        late = late.filter(_something_is_late(age))
    marked = 0
    for order_id in late.values_list("pk", flat=True)[:100]:
        with transaction.atomic():
            held = locked(order_id)
            if held.status == status:
                flag(held, why, kind=IncidentKind.STUCK_ORDER, status=status)
                marked += 1
    return marked


def _something_is_late(age: timedelta) -> Q:
    """Orders with an open line that did not wait within `age`; of those without an open line, the
    ones where no line did.
    """
    lines = OrderItem.objects.filter(order=OuterRef("pk"))
    is_open = ~Q(fulfillment_status__in=SETTLED_LINE)
    waited = Q(waits_until__gte=Now() - age)
    still = Q(waits_until=None) | Q(waits_until__lt=Now() - age)
    return Q(Exists(lines.filter(is_open & still))) | ~Q(Exists(lines.filter(is_open | waited)))
